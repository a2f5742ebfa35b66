mock_provider "google" {
  override_during = plan
}

variables {
  project = "my-project-123"
  region  = "europe-west1"
  model   = "m.gguf"
}

run "the_model_s_file_is_kept_in_memory_by_default" {
  command = plan

  assert {
    condition     = local.disk == null
    error_message = "a disk is slower and has to be asked for"
  }
}

# Without an image there is no service, whose volume only newer providers know (versions.tf); its values are looked at here.
run "a_disk_holds_the_model_s_file" {
  command = plan

  variables {
    disk_mib = 20480
  }

  assert {
    condition     = local.disk.medium == "DISK" && local.disk.size_limit == "20480Mi"
    error_message = "the volume is memory, or of another size"
  }
  assert {
    condition     = local.environment.MODEL_CACHE_DIR == local.cache_dir
    error_message = "the model would be kept beside the disk, which is mounted at cache_dir"
  }
}

run "too_small_a_disk_is_refused" {
  command = plan

  variables {
    disk_mib = 512
  }

  expect_failures = [var.disk_mib]
}
