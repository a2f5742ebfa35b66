resource "google_service_account" "run" {
  account_id   = "${var.name}-run"
  display_name = "${var.name}: the running service"

  depends_on = [google_project_service.api]
}

locals {
  mib = 1048576

  # The weights are mapped, not copied: the file's pages, in /tmp or in the page cache, count once.
  # On a GPU only the file needs memory, and only if /tmp is memory; everything else is on the card.
  fit_known  = var.model_bytes != null
  model_mib  = ceil(coalesce(var.model_bytes, 0) / local.mib)
  beside_mib = ceil(coalesce(var.model_memory_bytes, 0) / local.mib)
  host_mib   = 1024  # with a GPU: the program, the vocabulary, pinned buffers
  gpu_mib    = 22528 # an L4's 24 GB without the driver's share
  on_disk    = var.disk_mib > 0
  needed_mib = var.gpu ? local.host_mib + (local.on_disk ? 0 : local.model_mib) : local.model_mib + local.beside_mib
  # The scheduler's ping has no API key, so it does not wait for the model; the start of its instance has to.
  pings_without_key = var.warmup_schedule != null && var.api_key_secret != null
  waits_model       = coalesce(var.startup_waits_for, var.min_instances > 0 || local.pings_without_key ? "model" : "port") == "model"

  disk = var.disk_mib == 0 ? null : { medium = "DISK", size_limit = "${var.disk_mib}Mi" }
}

resource "google_cloud_run_v2_service" "chat" {
  count = var.bootstrap ? 0 : 1

  name                = var.name
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = var.deletion_protection

  # Not a grant to allUsers, which organisations with domain restricted sharing reject.
  invoker_iam_disabled = var.access == "api_key"
  launch_stage         = local.disk == null ? "GA" : "BETA" # ephemeral disks are in preview

  # Of the service, not of a revision: a revision's minimum runs for as long as a tag names the revision.
  scaling {
    min_instance_count = var.min_instances
  }

  # Of a new service only: later, rollout.sh moves the traffic.
  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  template {
    service_account                  = google_service_account.run.email
    encryption_key                   = var.kms_key
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2" # full Linux: mmap, full CPU speed
    max_instance_request_concurrency = 1
    session_affinity                 = true # a browser's next turn finds its conversation in the instance's memory
    timeout                          = "${var.timeout_seconds}s"
    gpu_zonal_redundancy_disabled    = var.gpu ? true : null

    scaling {
      max_instance_count = var.max_instances
    }

    dynamic "node_selector" {
      for_each = var.gpu ? ["nvidia-l4"] : []
      content {
        accelerator = node_selector.value
      }
    }

    containers {
      image = coalesce(var.image, "${local.image}:latest")

      ports {
        container_port = 8080
      }

      resources {
        limits = merge(
          { cpu = tostring(var.cpu), memory = "${var.memory_mib}Mi" },
          var.gpu ? { "nvidia.com/gpu" = "1" } : {},
        )
        cpu_idle          = !var.gpu # billed while it answers; with a GPU, billed as long as it exists
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.api_key_secret == null ? [] : [var.api_key_secret]
        content {
          name = "API_KEY"
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      # Cloud Run waits at most 240 s. The port is open within seconds; a model may take minutes.
      startup_probe {
        period_seconds    = local.waits_model ? 5 : 1
        timeout_seconds   = 1
        failure_threshold = local.waits_model ? 48 : 60
        http_get {
          path = local.waits_model ? "/health/ready" : "/health/live"
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/health/live"
        }
      }

      dynamic "volume_mounts" {
        for_each = local.disk == null ? [] : [local.disk]
        content {
          name       = "models"
          mount_path = local.cache_dir
        }
      }
    }

    dynamic "volumes" {
      for_each = local.disk == null ? [] : [local.disk]
      content {
        name = "models"
        empty_dir {
          medium     = volumes.value.medium
          size_limit = volumes.value.size_limit
        }
      }
    }
  }

  lifecycle {
    # cloudbuild.yaml owns the image: it replaces it after a smoke test and restores it if the test fails. Labels and
    # annotations of the template are gcloud's. The traffic is moved by rollout.sh.
    ignore_changes = [
      client, client_version, traffic, scaling[0].manual_instance_count,
      template[0].containers[0].image, template[0].labels, template[0].annotations,
    ]
  }

  depends_on = [
    google_project_service.api,
    google_storage_bucket_iam_member.reads_models,
    google_storage_bucket_iam_member.reads_model_elsewhere,
    terraform_data.model,
    google_secret_manager_secret_iam_member.reads_key,
  ]
}

locals {
  rollout = {
    SERVICE        = var.name
    PROJECT        = var.project
    REGION         = var.region
    ACCOUNT        = google_service_account.build.email
    API_KEY_SECRET = coalesce(var.api_key_secret, "none")
    SMOKE_TEST     = tostring(var.smoke_test)
  }
}

# A change of the model or of a setting is a new revision without traffic. It gets the traffic after it has replied; if it
# does not reply, the apply fails and the revision before it continues to serve. A new image, which this resource ignores,
# takes the same way in cloudbuild.yaml.
resource "terraform_data" "rollout" {
  count = var.bootstrap ? 0 : 1

  triggers_replace = [google_cloud_run_v2_service.chat[0].id]

  provisioner "local-exec" {
    command     = "sh ${path.module}/rollout.sh"
    environment = local.rollout
  }

  lifecycle {
    replace_triggered_by = [google_cloud_run_v2_service.chat[0].template]
  }

  depends_on = [google_cloud_run_v2_service_iam_member.build, google_secret_manager_secret_iam_member.build_reads_key]
}
