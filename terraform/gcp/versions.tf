terraform {
  required_version = ">= 1.9, < 2.0" # 1.9: a validation may refer to other variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 9.0" # planned with the schemas of 6.50; a disk for the model (disk_mib) needs a version that supports the medium
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = merge(var.labels, { service = var.name })
}
