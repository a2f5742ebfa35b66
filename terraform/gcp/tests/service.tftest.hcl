mock_provider "google" {
  override_during = plan

  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://chat-1.europe-west1.run.app" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "sa@p.iam.gserviceaccount.com", member = "serviceAccount:sa@p.iam.gserviceaccount.com", name = "projects/p/serviceAccounts/sa" }
  }
}

variables {
  project = "my-project-123"
  region  = "europe-west1"
  image   = "europe-west1-docker.pkg.dev/my-project-123/chat/chat:v1"
  model   = "m.gguf"
}

run "one_request_per_instance" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].max_instance_request_concurrency == 1
    error_message = "more than one request would reach an instance"
  }
}

run "costs_nothing_at_rest" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].scaling[0].min_instance_count == 0
    error_message = "an instance would run without requests"
  }
  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].resources[0].cpu_idle
    error_message = "CPU would be billed between requests"
  }
  assert {
    condition     = length(google_cloud_scheduler_job.warmup) == 0
    error_message = "there are pings without a schedule"
  }
}

run "at_most_three_instances_by_default" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].scaling[0].max_instance_count == 3
    error_message = "a flood of requests would cost more than three instances"
  }
}

run "starts_with_a_boosted_cpu" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].resources[0].startup_cpu_boost
    error_message = "a cold start would have to do without the boost"
  }
}

run "the_first_request_reaches_an_instance_that_is_still_loading" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].startup_probe[0].http_get[0].path == "/health/live"
    error_message = "callers would not see the progress of the cold start"
  }
}

run "startup_can_wait_for_the_model" {
  command = plan

  variables {
    startup_waits_for = "model"
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].startup_probe[0].http_get[0].path == "/health/ready"
    error_message = "the probe does not check the model"
  }
  assert {
    condition = (
      google_cloud_run_v2_service.chat[0].template[0].containers[0].startup_probe[0].period_seconds *
      google_cloud_run_v2_service.chat[0].template[0].containers[0].startup_probe[0].failure_threshold == 240
    )
    error_message = "the model gets a different time from the 240 s that Cloud Run allows"
  }
  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].liveness_probe[0].http_get[0].path == "/health/live"
    error_message = "an instance whose model cannot load would be restarted forever"
  }
}

run "replies_end_before_the_platform_cuts_them" {
  command = plan

  variables {
    timeout_seconds = 300
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].timeout == "300s"
    error_message = "the platform's timeout differs from timeout_seconds"
  }
  assert {
    condition = one([
      for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : tonumber(e.value) if e.name == "REQUEST_TIMEOUT"
    ]) == 290
    error_message = "a long reply would be cut off instead of ending with `length`"
  }
}

run "the_model_comes_from_the_bucket" {
  command = plan

  assert {
    condition = one([
      for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : e.value if e.name == "MODEL_URI"
    ]) == "gs://my-project-123-chat-models/m.gguf"
    error_message = "MODEL_URI is not the object in the bucket"
  }
}

run "without_a_model_the_image_brings_its_own" {
  command = plan

  variables {
    model = null
  }

  assert {
    condition     = !contains([for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : e.name], "MODEL_URI")
    error_message = "MODEL_URI would hide the model in the image"
  }
}

run "further_settings_reach_the_function" {
  command = plan

  variables {
    env = { N_CTX = "8192" }
  }

  assert {
    condition     = one([for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : e.value if e.name == "N_CTX"]) == "8192"
    error_message = "env does not reach the container"
  }
}

run "a_setting_that_does_not_exist_is_rejected" {
  command = plan

  variables {
    env = { N_CONTEXT = "8192" }
  }

  expect_failures = [var.env]
}

run "a_setting_that_has_a_variable_of_its_own_is_rejected" {
  command = plan

  variables {
    env = { API_KEY = "readable in the state" }
  }

  expect_failures = [var.env]
}

run "the_first_apply_creates_the_registry_without_the_service" {
  command = plan

  variables {
    bootstrap       = true
    access          = "private"
    invokers        = ["user:ann@example.com"]
    warmup_schedule = "*/10 * * * *"
  }

  assert {
    condition     = length(google_cloud_run_v2_service.chat) == 0
    error_message = "there is no image yet"
  }
  assert {
    condition     = output.image == "europe-west1-docker.pkg.dev/my-project-123/chat/chat"
    error_message = "the image repository is wrong"
  }
  assert {
    condition     = output.url == null && output.curl == null
    error_message = "there is no address yet"
  }
  assert {
    condition     = strcontains(output.build, "_SERVICE=none")
    error_message = "the build would deploy to a service that does not exist yet"
  }
}

run "an_image_without_tag_or_digest_is_rejected" {
  command = plan

  variables {
    image = "europe-west1-docker.pkg.dev/my-project-123/chat/chat"
  }

  expect_failures = [var.image]
}

run "a_gpu_brings_every_layer_and_its_own_billing" {
  command = plan

  variables {
    gpu        = true
    memory_mib = 16384
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].node_selector[0].accelerator == "nvidia-l4"
    error_message = "no L4 was requested"
  }
  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].resources[0].limits["nvidia.com/gpu"] == "1"
    error_message = "the container has no GPU"
  }
  assert {
    condition     = !google_cloud_run_v2_service.chat[0].template[0].containers[0].resources[0].cpu_idle
    error_message = "Cloud Run rejects a GPU with request-based billing"
  }
  assert {
    condition     = one([for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : e.value if e.name == "N_GPU_LAYERS"]) == "-1"
    error_message = "the layers stay on the CPU"
  }
}

run "a_gpu_on_a_small_instance_is_rejected" {
  command = plan

  variables {
    gpu        = true
    memory_mib = 8192
  }

  expect_failures = [var.memory_mib]
}

run "too_much_memory_for_the_cpus_is_rejected" {
  command = plan

  variables {
    cpu        = 2
    memory_mib = 16384
  }

  expect_failures = [var.memory_mib]
}

run "more_warm_instances_than_instances_are_rejected" {
  command = plan

  variables {
    min_instances = 4
  }

  expect_failures = [var.min_instances]
}

run "a_zone_instead_of_a_region_is_rejected" {
  command = plan

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "an_absent_image_keeps_the_service" {
  command = plan

  variables {
    image = null
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].image == "europe-west1-docker.pkg.dev/my-project-123/chat/chat:latest"
    error_message = "a lost file of variables would delete the service"
  }
}

run "the_service_is_protected_from_deletion" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.chat[0].deletion_protection
    error_message = "one apply could delete the service and its URL"
  }
}

run "warm_instances_wait_for_their_model" {
  command = plan

  variables {
    min_instances = 2
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].containers[0].startup_probe[0].http_get[0].path == "/health/ready"
    error_message = "a warm instance would have no CPU to load its model with"
  }
  assert {
    condition     = google_cloud_run_v2_service.chat[0].scaling[0].min_instance_count == 2
    error_message = "the warm instances do not belong to the service"
  }
  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].scaling[0].min_instance_count == null
    error_message = "a revision with a forgotten tag would keep instances running"
  }
}

run "warm_instances_without_a_model_are_rejected" {
  command = plan

  variables {
    min_instances     = 1
    startup_waits_for = "port"
  }

  expect_failures = [var.startup_waits_for]
}

run "a_new_service_serves_its_only_revision" {
  command = plan

  assert {
    condition = (
      google_cloud_run_v2_service.chat[0].traffic[0].type == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST" &&
      google_cloud_run_v2_service.chat[0].traffic[0].percent == 100
    )
    error_message = "nothing would be served"
  }
}

run "a_setting_that_is_not_a_number_is_rejected" {
  command = plan

  variables {
    env = { N_CTX = "abc" }
  }

  expect_failures = [var.env]
}

run "a_gpu_image_is_built_by_the_documented_commands" {
  command = plan

  variables {
    gpu         = true
    memory_mib  = 16384
    baked_model = "models/m.gguf"
  }

  assert {
    condition     = strcontains(output.build, "_CUDA=12-6") && strcontains(output.push, "--build-arg CUDA=12-6")
    error_message = "the image would be built without GPU support"
  }
  assert {
    condition     = strcontains(output.build, "_MODEL=models/m.gguf") && strcontains(output.push, "--build-arg MODEL=models/m.gguf")
    error_message = "the model would not be in the image"
  }
}

run "builds_run_where_every_project_may_build" {
  command = plan

  assert {
    condition     = strcontains(output.build, "--region=global") && strcontains(output.build, "_REGION=europe-west1")
    error_message = "new projects may not build in the service's region"
  }
  assert {
    condition     = startswith(output.build, "gcloud beta builds submit ")
    error_message = "only the beta command shows the log of a build while it runs"
  }
}

run "the_source_stays_in_the_services_region" {
  command = plan

  assert {
    condition     = google_storage_bucket.sources.location == "europe-west1" && strcontains(output.build, "gs://my-project-123-chat-sources/source")
    error_message = "the source would be uploaded to the US"
  }
  assert {
    condition     = one(one(google_storage_bucket.sources.lifecycle_rule).condition).age == 7
    error_message = "the source would be kept for ever"
  }
}

run "a_pushed_image_gets_the_traffic_after_it_has_replied" {
  command = plan

  override_resource {
    target          = google_service_account.build
    override_during = plan
    values          = { email = "chat-build@my-project-123.iam.gserviceaccount.com" }
  }

  assert {
    condition     = strcontains(output.push, "&& IMAGE=europe-west1-docker.pkg.dev/my-project-123/chat/chat:latest ") && endswith(output.push, "sh terraform/gcp/rollout.sh")
    error_message = "a pushed image would serve untested, or not at all"
  }
}

run "a_rollback_moves_the_traffic_to_an_earlier_revision" {
  command = plan

  assert {
    condition     = strcontains(output.rollback, "update-traffic chat") && endswith(output.rollback, "--to-revisions=$${REVISION:?}=100")
    error_message = "the rollback would deploy something new"
  }
}

run "the_api_of_project_roles_is_enabled" {
  command = plan

  assert {
    condition     = contains(keys(google_project_service.api), "cloudresourcemanager.googleapis.com")
    error_message = "service accounts could not apply in a new project"
  }
}

run "a_revision_is_smoke_tested_before_it_gets_traffic" {
  command = plan

  assert {
    condition     = length(terraform_data.rollout) == 1 && local.rollout.SMOKE_TEST == "true"
    error_message = "a revision that cannot answer would be served"
  }
}

run "the_smoke_test_can_be_left_out" {
  command = plan

  variables {
    smoke_test = false
  }

  assert {
    condition     = length(terraform_data.rollout) == 1 && local.rollout.SMOKE_TEST == "false"
    error_message = "the revision would be requested, or would never get the traffic"
  }
}
