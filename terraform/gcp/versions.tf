terraform {
  required_version = ">= 1.9, < 2.0" # 1.9: a validation may refer to other variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8.0" # tested with 6.50; a disk for the model (disk_mib) needs a 7.x that supports the medium
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}
