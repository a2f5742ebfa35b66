terraform {
  required_version = ">= 1.9, < 2.0" # 1.9: a validation may refer to other variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.24, < 9.0" # 7.24: a disk for the model (disk_mib); 7.21: iap_enabled (iap_members)
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = merge(var.labels, { service = var.name })
}
