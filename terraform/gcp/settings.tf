# The function's settings (a test compares the list with function/settings.py) and their values here.

locals {
  settings = [
    "API_KEY", "API_KEY_PARAMETER", "CHAT_TEMPLATE", "CHAT_TEMPLATE_KWARGS", "CLIENT_TIMEOUT", "CORS_ORIGINS",
    "CPU_LEVEL", "KV_TYPE", "LOAD_MODE", "LOG_LEVEL", "LORA_URI", "MAX_TOKENS", "MODEL_CACHE", "MODEL_CACHE_DIR",
    "MODEL_NAME", "MODEL_SHA256", "MODEL_URI", "N_CTX", "N_GPU_LAYERS", "N_THREADS", "POOLING", "PORT", "PREFIX_CACHE_MB",
    "QUEUE_SIZE", "REQUEST_TIMEOUT", "SNAPSHOT", "SNAPSHOT_URI", "SPECULATION", "START_TIMEOUT", "SYSTEM_PROMPT",
    "THINKING_BUDGET", "THINKING_BUDGET_MESSAGE",
  ]

  # Settings with a variable of their own, or fixed by the platform.
  bound_settings = [
    "API_KEY", "API_KEY_PARAMETER", "MODEL_CACHE_DIR", "MODEL_URI", "N_GPU_LAYERS", "PORT", "REQUEST_TIMEOUT",
    "SNAPSHOT", "SNAPSHOT_URI",
  ]
  free_settings = sort(setsubtract(local.settings, local.bound_settings))

  # The model's URI and the name of its file. A bucket that model_uri names is someone else's.
  model_uri    = var.model == null ? var.model_uri : "gs://${google_storage_bucket.models.name}/${var.model}"
  model_name   = var.model != null ? var.model : var.model_uri == null ? null : basename(split("?", var.model_uri)[0])
  model_bucket = try(regex("^gs://([^/]+)/", var.model_uri)[0], null)

  cache_dir = "/tmp/models"

  environment = merge(var.env, {
    MODEL_CACHE_DIR = local.cache_dir
    REQUEST_TIMEOUT = tostring(var.timeout_seconds - 10)
    N_GPU_LAYERS    = var.gpu ? "-1" : "0"

    GOOGLE_CLOUD_PROJECT = var.project # log lines name it, which joins them to their traces
    }, local.model_uri == null ? {} : {
    MODEL_URI = local.model_uri
    }, !var.snapshot ? {} : {
    SNAPSHOT     = "auto"
    SNAPSHOT_URI = "gs://${google_storage_bucket.models.name}/${local.model_name}.snapshot"
  })
}
