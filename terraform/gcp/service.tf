resource "google_service_account" "run" {
  account_id   = "${var.name}-run"
  display_name = "${var.name}: the running service"

  depends_on = [google_project_service.api]
}

locals {
  mib = 1048576

  # The weights are mapped, not copied: the file's pages, in /tmp or in the page cache, count once.
  # On a GPU only the file needs memory, and only if /tmp is memory; everything else is on the card.
  fit_known   = var.model_bytes != null
  model_mib   = ceil(coalesce(var.model_bytes, 0) / local.mib)
  beside_mib  = ceil(coalesce(var.model_memory_bytes, 0) / local.mib)
  host_mib    = 1024  # with a GPU: the program, the vocabulary, pinned buffers
  gpu_mib     = 22528 # an L4's 24 GB without the driver's share
  on_disk     = var.disk_mib > 0 && lookup(var.env, "MODEL_CACHE", "directory") != "memory"
  needed_mib  = var.gpu ? local.host_mib + (local.on_disk ? 0 : local.model_mib) : local.model_mib + local.beside_mib
  waits_model = var.startup_waits_for == "model"

  disk = var.disk_mib == 0 ? null : { medium = "DISK", size_limit = "${var.disk_mib}Mi" }
}

resource "google_cloud_run_v2_service" "chat" {
  count = var.image == null ? 0 : 1

  name                = var.name
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = false
  launch_stage        = local.disk == null ? "GA" : "BETA" # ephemeral disks are in preview

  template {
    service_account                  = google_service_account.run.email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2" # full Linux: mmap, full CPU speed
    max_instance_request_concurrency = 1
    timeout                          = "${var.timeout_seconds}s"
    gpu_zonal_redundancy_disabled    = var.gpu ? true : null

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }

    dynamic "node_selector" {
      for_each = var.gpu ? ["nvidia-l4"] : []
      content {
        accelerator = node_selector.value
      }
    }

    containers {
      image = var.image

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
    # cloudbuild.yaml owns the image and the traffic: a revision that failed its smoke test must not get traffic here.
    ignore_changes = [client, client_version, template[0].containers[0].image, traffic]

    precondition {
      condition     = var.access == "private" || var.api_key_secret != null
      error_message = "access = \"api_key\" opens the service to everyone, so it needs api_key_secret."
    }

    precondition {
      condition     = !local.fit_known || local.needed_mib <= var.memory_mib
      error_message = "The model does not fit: it needs ${local.needed_mib} MiB and an instance has memory_mib = ${var.memory_mib}. Raise memory_mib (and cpu), lower N_CTX and plan again, or use a stronger quantisation."
    }

    precondition {
      condition     = !local.fit_known || !var.gpu || local.model_mib + local.beside_mib <= local.gpu_mib
      error_message = "The model does not fit on an L4: it needs ${local.model_mib + local.beside_mib} MiB of ${local.gpu_mib}."
    }

    precondition {
      condition     = !local.fit_known || var.disk_mib == 0 || local.model_mib <= var.disk_mib
      error_message = "The model's file has ${local.model_mib} MiB, but disk_mib is ${var.disk_mib}."
    }
  }

  depends_on = [
    google_project_service.api,
    google_storage_bucket_iam_member.reads_models,
    google_storage_bucket_object.model,
    google_secret_manager_secret_iam_member.reads_key,
  ]
}
