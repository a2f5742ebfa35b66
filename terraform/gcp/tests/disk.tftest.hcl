mock_provider "google" {
  override_during = plan
}

variables {
  project = "my-project-123"
  region  = "europe-west1"
  model   = "m.gguf"

  # Without a service, whose volume needs newer providers (versions.tf): these tests check its values.
  bootstrap = true
}

run "the_models_file_is_kept_in_memory_by_default" {
  command = plan

  assert {
    condition     = local.disk == null
    error_message = "a disk is slower and must be requested"
  }
}

run "a_disk_holds_the_models_file" {
  command = plan

  variables {
    disk_mib = 20480
  }

  assert {
    condition     = local.disk.medium == "DISK" && local.disk.size_limit == "20480Mi"
    error_message = "the volume is memory, or has a different size"
  }
  assert {
    condition     = local.environment.MODEL_CACHE_DIR == local.cache_dir
    error_message = "the model would be kept outside the disk, which is mounted at cache_dir"
  }
}

run "a_disk_that_is_too_small_is_rejected" {
  command = plan

  variables {
    disk_mib = 512
  }

  expect_failures = [var.disk_mib]
}

run "a_disk_beyond_the_platforms_limit_is_rejected" {
  command = plan

  variables {
    disk_mib = 2000000
  }

  expect_failures = [var.disk_mib]
}

run "a_disk_that_would_stay_empty_is_rejected" {
  command = plan

  variables {
    disk_mib = 10240
    env      = { MODEL_CACHE = "memory" }
  }

  expect_failures = [var.disk_mib]
}
