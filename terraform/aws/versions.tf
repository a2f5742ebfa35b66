terraform {
  required_version = ">= 1.9, < 2.0" # 1.9: a validation may refer to other variables

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.29, < 7.0" # 6.29: invoked_via_function_url, without which new function URLs reject every call
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge(var.labels, { service = var.name })
  }
}

data "aws_caller_identity" "me" {}
data "aws_partition" "here" {}
