# The function's settings (a test compares the list with function/settings.py) and their values here.

locals {
  settings = [
    "API_KEY", "API_KEY_PARAMETER", "CHAT_TEMPLATE", "CHAT_TEMPLATE_KWARGS", "CLIENT_TIMEOUT", "CORS_ORIGINS",
    "CPU_LEVEL", "KV_TYPE", "LOAD_MODE", "LOG_LEVEL", "LORA_URI", "MAX_TOKENS", "MODEL_CACHE", "MODEL_CACHE_DIR",
    "MODEL_NAME", "MODEL_SHA256", "MODEL_URI", "N_CTX", "N_GPU_LAYERS", "N_THREADS", "POOLING", "PORT", "PREFIX_CACHE_MB",
    "QUEUE_SIZE", "REQUEST_TIMEOUT", "SNAPSHOT", "SNAPSHOT_URI", "SPECULATION", "START_TIMEOUT", "SYSTEM_PROMPT",
    "THINKING_BUDGET", "THINKING_BUDGET_MESSAGE",
  ]

  # Settings with a variable of their own, or fixed by the platform: it has no GPU, and only /tmp is writable.
  bound_settings = [
    "API_KEY", "API_KEY_PARAMETER", "MODEL_CACHE_DIR", "MODEL_URI", "N_GPU_LAYERS", "PORT", "REQUEST_TIMEOUT",
    "SNAPSHOT", "SNAPSHOT_URI",
  ]
  free_settings = sort(setsubtract(local.settings, local.bound_settings))

  # The model's URI and the name of its file. A bucket that model_uri names is someone else's.
  model_uri  = var.model == null ? var.model_uri : "s3://${aws_s3_bucket.models.bucket}/${var.model}"
  model_name = var.model != null ? var.model : var.model_uri == null ? null : basename(split("?", var.model_uri)[0])
  model_arn  = try("arn:${data.aws_partition.here.partition}:s3:::${replace(regex("^s3://(.+)$", var.model_uri)[0], "/-[0-9]{5}-of-/", "-*-of-")}", null)

  waits_model = coalesce(var.startup_waits_for, var.min_instances > 0 ? "model" : "port") == "model"

  # The URL and the adapter must agree, or replies arrive in one piece.
  streaming = { url = "RESPONSE_STREAM", adapter = "response_stream" }

  # Settings of the adapter in the image; the image itself sets the port and the status that counts as ready.
  adapter = {
    AWS_LWA_INVOKE_MODE          = local.streaming.adapter
    AWS_LWA_READINESS_CHECK_PATH = var.snapstart ? "/snapstart/loaded" : local.waits_model ? "/health/ready" : "/health/live"
    # On demand, the platform restarts an init of more than 10 s, so the adapter ends it after 9.8 s. The init of a
    # provisioned instance, or of the one that SnapStart copies, may take as long as a request; ended early, it would be
    # frozen without its model.
    AWS_LWA_ASYNC_INIT = tostring(var.min_instances == 0 && !var.snapstart)
  }

  # Requests of the adapter before the copy is stored and in each copy. The disk is too small for a model.
  copying = !var.snapstart ? {} : {
    AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH = "/snapstart/before"
    AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH     = "/snapstart/after"
    MODEL_CACHE                              = "memory"
  }

  environment = merge(var.env, local.adapter, local.copying, {
    REQUEST_TIMEOUT = tostring(var.timeout_seconds - 10)
    }, local.model_uri == null ? {} : {
    MODEL_URI = local.model_uri
    }, !var.snapshot ? {} : {
    SNAPSHOT     = "auto"
    SNAPSHOT_URI = "s3://${aws_s3_bucket.models.bucket}/${local.model_name}.snapshot"
    }, var.api_key_parameter == null ? {} : {
    API_KEY_PARAMETER = var.api_key_parameter
  })
}
