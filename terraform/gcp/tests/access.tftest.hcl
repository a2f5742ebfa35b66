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

run "private_by_default" {
  command = plan

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0 && !google_cloud_run_v2_service.chat[0].invoker_iam_disabled
    error_message = "callers outside the project are allowed"
  }
}

run "only_the_invokers_may_call" {
  command = plan

  variables {
    invokers = ["user:ann@example.com", "serviceAccount:app@example.iam.gserviceaccount.com"]
  }

  assert {
    condition     = toset([for m in google_cloud_run_v2_service_iam_member.invoker : m.member]) == toset(var.invokers)
    error_message = "the allowed callers differ from invokers"
  }
  assert {
    condition     = alltrue([for m in google_cloud_run_v2_service_iam_member.invoker : m.role == "roles/run.invoker"])
    error_message = "a caller has further permissions"
  }
}

run "the_public_as_an_invoker_is_rejected" {
  command = plan

  variables {
    invokers = ["allUsers"]
  }

  expect_failures = [var.invokers]
}

run "public_without_a_key_is_rejected" {
  command = plan

  variables {
    access = "api_key"
  }

  expect_failures = [var.access]
}

run "public_with_a_key" {
  command = plan

  variables {
    access         = "api_key"
    api_key_secret = "chat-key"
  }

  assert {
    condition     = google_cloud_run_v2_service.chat[0].invoker_iam_disabled && length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "the platform would require its own token, or a grant to allUsers, which many organisations reject"
  }
  assert {
    condition = one([
      for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env :
      e.value_source[0].secret_key_ref[0].secret if e.name == "API_KEY"
    ]) == "chat-key"
    error_message = "the key does not come from the secret"
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.reads_key[0].member == google_service_account.run.member
    error_message = "the service may not read its key"
  }
  assert {
    condition     = !strcontains(output.curl, "X-Serverless-Authorization")
    error_message = "the key alone opens the service"
  }
}

run "a_private_service_may_have_a_key_as_well" {
  command = plan

  variables {
    api_key_secret = "chat-key"
  }

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "the key made the service public"
  }
  assert {
    condition     = strcontains(output.curl, "X-Serverless-Authorization: Bearer") && strcontains(output.curl, " \"Authorization: Bearer")
    error_message = "the platform's token and the key would collide in one header"
  }
}

run "reads_only_the_model_bucket" {
  command = plan

  assert {
    condition = (
      google_storage_bucket_iam_member.reads_models.bucket == "my-project-123-chat-models" &&
      google_storage_bucket_iam_member.reads_models.role == "roles/storage.objectViewer" &&
      google_storage_bucket_iam_member.reads_models.member == google_service_account.run.member
    )
    error_message = "the service's account may not read, or may do more than read, the bucket"
  }
  assert {
    condition     = google_cloud_run_v2_service.chat[0].template[0].service_account == google_service_account.run.email
    error_message = "the service runs under the project's default account, which has broad permissions"
  }
}

run "the_bucket_is_closed_and_keeps_versions" {
  command = plan

  assert {
    condition = (
      google_storage_bucket.models.public_access_prevention == "enforced" &&
      google_storage_bucket.models.uniform_bucket_level_access
    )
    error_message = "the bucket could be opened to the public"
  }
  assert {
    condition     = google_storage_bucket.models.versioning[0].enabled
    error_message = "an upload would delete the version that an instance is reading"
  }
  assert {
    condition     = !google_storage_bucket.models.force_destroy
    error_message = "models would be deleted without confirmation"
  }
}

run "a_local_file_becomes_the_model" {
  command = plan

  variables {
    model_file = "/models/m.gguf"
  }

  assert {
    condition     = terraform_data.model[0].triggers_replace == ["my-project-123-chat-models", "m.gguf"]
    error_message = "the uploaded object is not the one in MODEL_URI"
  }
}

run "a_file_without_a_name_is_rejected" {
  command = plan

  variables {
    model      = null
    model_file = "/models/m.gguf"
  }

  expect_failures = [var.model_file]
}

run "a_uri_instead_of_a_name_is_rejected" {
  command = plan

  variables {
    model = "gs://elsewhere/m.gguf"
  }

  expect_failures = [var.model]
}

run "the_builder_deploys_this_service_only" {
  command = plan

  assert {
    condition = toset([for m in google_cloud_run_v2_service_iam_member.build : "${m.role} on ${m.name}"]) == toset([
      "roles/run.developer on chat", "roles/run.invoker on chat",
    ])
    error_message = "the builder's permissions exceed one service"
  }
  assert {
    condition     = google_storage_bucket_iam_member.build_source.bucket == "my-project-123-chat-sources"
    error_message = "the builder may read buckets other than the one with its sources"
  }
}

run "nothing_is_written_by_default" {
  command = plan

  assert {
    condition     = length(google_storage_bucket_iam_member.writes_snapshot) == 0 && !contains([for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : e.name], "SNAPSHOT")
    error_message = "an instance may write, or would try to"
  }
}

run "a_snapshot_is_the_one_object_that_may_be_written" {
  command = plan

  variables {
    snapshot = true
    env      = { SYSTEM_PROMPT = "Be brief." }
  }

  assert {
    condition     = google_storage_bucket_iam_member.writes_snapshot[0].condition[0].expression == "resource.name == \"projects/_/buckets/my-project-123-chat-models/objects/m.gguf.snapshot\""
    error_message = "the service may write other objects"
  }
  assert {
    condition     = one([for e in google_cloud_run_v2_service.chat[0].template[0].containers[0].env : e.value if e.name == "SNAPSHOT"]) == "auto"
    error_message = "the service does not store a snapshot"
  }
}

run "a_snapshot_without_a_prompt_is_rejected" {
  command = plan

  variables {
    snapshot = true
  }

  expect_failures = [var.snapshot]
}

run "invokers_of_a_service_with_a_key_are_rejected" {
  command = plan

  variables {
    access         = "api_key"
    api_key_secret = "chat-key"
    invokers       = ["user:ann@example.com"]
  }

  expect_failures = [var.invokers]
}

run "public_without_a_key_is_rejected_before_anything_is_uploaded" {
  command = plan

  variables {
    bootstrap = true
    access    = "api_key"
  }

  expect_failures = [var.access]
}

run "the_first_part_of_a_split_model_is_rejected" {
  command = plan

  variables {
    model_file = "/models/m-00001-of-00003.gguf"
  }

  expect_failures = [var.model_file]
}

run "a_model_may_lie_in_any_bucket" {
  command = plan

  variables {
    model     = null
    model_uri = "gs://others/llama/m-00001-of-00002.gguf"
  }

  assert {
    condition     = local.environment["MODEL_URI"] == "gs://others/llama/m-00001-of-00002.gguf"
    error_message = "the function would read another model"
  }
  assert {
    condition = (
      google_storage_bucket_iam_member.reads_model_elsewhere[0].bucket == "others" &&
      google_storage_bucket_iam_member.reads_model_elsewhere[0].role == "roles/storage.objectViewer"
    )
    error_message = "the service may not read its model"
  }
}

run "a_bucket_of_another_owner_is_left_to_that_owner" {
  command = plan

  variables {
    model              = null
    model_uri          = "gs://others/m.gguf"
    grant_model_access = false
  }

  assert {
    condition     = length(google_storage_bucket_iam_member.reads_model_elsewhere) == 0
    error_message = "the apply would change a bucket that it may not change"
  }
  assert {
    condition     = strcontains(output.model_access, "add-iam-policy-binding gs://others --member=serviceAccount:")
    error_message = "the owner is not given the command"
  }
}

run "a_model_may_lie_on_hugging_face_or_the_web" {
  command = plan

  variables {
    model     = null
    model_uri = "hf://owner/repository/m.gguf"
  }

  assert {
    condition     = local.environment["MODEL_URI"] == "hf://owner/repository/m.gguf" && output.model_access == null
    error_message = "the function would read another model, or a grant is asked for that is not needed"
  }
}

run "a_model_of_the_other_cloud_is_rejected" {
  command = plan

  variables {
    model     = null
    model_uri = "s3://others/m.gguf"
  }

  expect_failures = [var.model_uri]
}

run "a_signed_url_that_expires_is_rejected" {
  command = plan

  variables {
    model     = null
    model_uri = "https://bucket.example.com/m.gguf?X-Amz-Signature=0"
  }

  expect_failures = [var.model_uri]
}

run "two_models_are_rejected" {
  command = plan

  variables {
    model     = "m.gguf"
    model_uri = "hf://owner/repository/m.gguf"
  }

  expect_failures = [var.model_uri]
}

run "an_adapter_that_may_not_be_read_is_rejected" {
  command = plan

  variables {
    env = { LORA_URI = "gs://others/a.gguf" }
  }

  expect_failures = [var.env]
}

run "an_adapter_in_the_bucket_is_accepted" {
  command = plan

  variables {
    env = { LORA_URI = "gs://my-project-123-chat-models/a.gguf" }
  }

  assert {
    condition     = local.environment["LORA_URI"] == "gs://my-project-123-chat-models/a.gguf"
    error_message = "the service would run without its adapter"
  }
}

run "a_login_page_without_its_files_is_rejected" {
  command = plan

  variables {
    iap_members = ["user:ann@example.com"]
  }

  expect_failures = [var.iap_members]
}
