mock_provider "google" {
  override_during = plan
}

# The figures of a 7B model in Q8_0 at 4096 tokens of context.
variables {
  project            = "my-project-123"
  region             = "europe-west1"
  image              = "europe-west1-docker.pkg.dev/my-project-123/chat/chat:v1"
  model              = "llama-2-7b.Q8_0.gguf"
  model_bytes        = 7161089728
  model_memory_bytes = 2684354560
}

run "a_model_that_does_not_fit_is_rejected" {
  command = plan

  variables {
    memory_mib = 8192
  }

  expect_failures = [var.memory_mib]
}

run "a_model_that_fits_is_accepted" {
  command = plan

  variables {
    memory_mib = 10240
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].resources[0].limits["memory"] == "10240Mi"
    error_message = "the instance has different memory from the checked one"
  }
  assert {
    condition     = length(google_cloud_run_v2_service.chat[0].template[0].volumes) == 0
    error_message = "the file should be kept in memory"
  }
}

run "a_file_larger_than_its_disk_is_rejected" {
  command = plan

  variables {
    cpu                = 8
    memory_mib         = 32768
    disk_mib           = 10240
    model_bytes        = 16106127360
    model_memory_bytes = 1073741824
  }

  expect_failures = [var.disk_mib]
}

run "a_gpu_in_a_region_without_one_is_rejected" {
  command = plan

  variables {
    gpu        = true
    region     = "europe-north1"
    memory_mib = 16384
  }

  expect_failures = [var.gpu]
}

run "a_gpu_in_a_region_that_has_got_one_since_is_accepted" {
  command = plan

  variables {
    gpu         = true
    region      = "europe-north1"
    gpu_regions = ["europe-north1"]
    memory_mib  = 16384
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].location == "europe-north1"
    error_message = "the service has another region"
  }
}

run "a_model_that_does_not_fit_the_gpu_is_rejected" {
  command = plan

  variables {
    gpu                = true
    cpu                = 8
    memory_mib         = 32768
    model_bytes        = 24696061952
    model_memory_bytes = 1073741824
  }

  expect_failures = [var.gpu]
}

run "with_a_gpu_memory_holds_only_the_file" {
  command = plan

  variables {
    gpu                = true
    memory_mib         = 16384
    model_bytes        = 15032385536
    model_memory_bytes = 4294967296
  }

  assert {
    condition     = local.needed_mib == 15360
    error_message = "the cache and the buffers belong to the card, not to the instance"
  }
}

run "half_a_plan_is_rejected" {
  command = plan

  variables {
    model_memory_bytes = null
  }

  expect_failures = [var.model_memory_bytes]
}

run "without_a_plan_nothing_is_checked" {
  command = plan

  variables {
    model_bytes        = null
    model_memory_bytes = null
    memory_mib         = 2048
  }

  assert {
    condition     = length(google_cloud_run_v2_service.chat) == 1
    error_message = "a model of unknown size was rejected"
  }
}

run "a_model_that_does_not_fit_is_rejected_before_it_is_uploaded" {
  command = plan

  variables {
    bootstrap  = true
    memory_mib = 8192
  }

  expect_failures = [var.memory_mib]
}
