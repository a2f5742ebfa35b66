variable "project" {
  description = "Id of the Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project's id, such as my-project-123: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of all resources, such as europe-west1. A GPU needs a region with L4s."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region's name, such as europe-west1 (not a zone)."
  }
}

variable "name" {
  description = "Name of the service, and the prefix of every other name."
  type        = string
  default     = "chat"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "bootstrap" {
  description = "Create everything except the service, so that there is a registry to push to. For the first apply only."
  type        = bool
  default     = false
}

variable "image" {
  description = "Image of a new service, with tag or digest. Null is the newest build. Later images are deployed by `build` or `push`: changing this variable does not change a running service."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^\\s@]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must have a tag or a digest: …/chat:v1 or …/chat@sha256:…"
  }
}

variable "deletion_protection" {
  description = "Reject every apply and destroy that would delete the service. Set false and apply before a destroy."
  type        = bool
  default     = true
}

variable "build_region" {
  description = "Region of the builds. The default, global, works in every project; new projects may not build in all regions."
  type        = string
  default     = "global"

  validation {
    condition     = can(regex("^(global|[a-z]+-[a-z]+[0-9]+)$", var.build_region))
    error_message = "build_region must be global or a region's name, such as europe-west1."
  }
}

variable "baked_model" {
  description = "Path of a model, in the repository's folder models, that `build` and `push` bake into the image instead of the default model, such as models/m.gguf; `none` for an image without a model."
  type        = string
  default     = null

  validation {
    condition     = var.baked_model == null || can(regex("^(none|models/[A-Za-z0-9._-]+\\.gguf)$", var.baked_model))
    error_message = "baked_model must be a file in models, such as models/m.gguf, or none."
  }
}

variable "model" {
  description = "Object name of the model in the bucket, such as llama-2-7b.Q8_0.gguf. Null means model_uri, or the model in the image: the default one, or the one baked in."
  type        = string
  default     = null

  validation {
    condition     = var.model == null || can(regex("^[^/\\s:][^\\s:]*\\.gguf$", var.model))
    error_message = "model must be an object's name that ends in .gguf, without a scheme or a bucket."
  }
}

variable "model_uri" {
  description = "Model elsewhere, in place of model: `gs://bucket/name.gguf` in any bucket, also of another project; `hf://owner/repository/file.gguf`; `https://…`. The service may then read that bucket (see grant_model_access)."
  type        = string
  default     = null

  validation {
    condition     = var.model_uri == null || can(regex("^(gs://[a-z0-9][a-z0-9._-]+/\\S+\\.gguf|hf://[^/\\s]+/\\S+|https://[^/\\s@]+/\\S+)$", var.model_uri))
    error_message = "model_uri must be gs://bucket/name.gguf, hf://owner/repository/file.gguf or https://host/path, without a password: the service has no keys of other clouds."
  }

  validation {
    condition     = var.model_uri == null || var.model == null
    error_message = "Set model, an object in this module's bucket, or model_uri, not both."
  }

  validation {
    condition     = var.model_uri == null || !can(regex("[?&](X-Amz-Signature|X-Goog-Signature|sig)=", var.model_uri))
    error_message = "model_uri is a signed URL: it expires, and the service could then start no instance. Grant access to the bucket instead."
  }
}

variable "grant_model_access" {
  description = "Grant the service's account read access to the bucket in model_uri. Set false if you may not change that bucket: output `model_access` is then the command for its owner."
  type        = bool
  default     = true
}

variable "model_file" {
  description = "A local file to upload once, under the name in model. To upload another file, change model as well. Null if the object is uploaded by other means."
  type        = string
  default     = null

  validation {
    condition     = var.model_file == null || var.model != null
    error_message = "model_file needs model, the object's name in the bucket."
  }

  validation {
    condition     = var.model_file == null || !can(regex("-00001-of-[0-9]{5}\\.gguf$", var.model_file))
    error_message = "model_file is one file, and this is the first part of several. Upload all parts with gcloud storage cp."
  }
}

variable "snapshot" {
  description = "Let an instance that had to read SYSTEM_PROMPT itself store a snapshot in the bucket, under the model's name, for every later instance. It may write that one object and no other."
  type        = bool
  default     = false

  validation {
    condition     = !var.snapshot || (local.model_name != null && contains(keys(var.env), "SYSTEM_PROMPT"))
    error_message = "snapshot needs model or model_uri, whose name it gets, and SYSTEM_PROMPT in env, whose state it stores."
  }
}

variable "model_bytes" {
  description = "Size of the model's file in bytes, from `python -m function plan URI --tfvars`. Null skips the check that the model fits."
  type        = number
  default     = null

  validation {
    condition     = var.model_bytes == null || coalesce(var.model_bytes, 1) > 0
    error_message = "model_bytes must be a size in bytes, greater than 0."
  }
}

variable "model_memory_bytes" {
  description = "Memory in bytes that answering needs in addition to the model's file: KV cache, compute buffers, the program. From the same plan."
  type        = number
  default     = null

  validation {
    condition     = (var.model_memory_bytes == null) == (var.model_bytes == null) && coalesce(var.model_memory_bytes, 1) > 0
    error_message = "Set model_memory_bytes and model_bytes together, from `python -m function plan URI --tfvars`."
  }
}

variable "cpu" {
  description = "Number of vCPUs of an instance: 1, 2, 4, 6 or 8."
  type        = number
  default     = 4

  validation {
    condition     = contains([1, 2, 4, 6, 8], var.cpu)
    error_message = "cpu must be 1, 2, 4, 6 or 8."
  }
}

variable "memory_mib" {
  description = "Memory of an instance in MiB. It also holds the model's file, unless disk_mib provides a disk."
  type        = number
  default     = 8192

  validation {
    condition = (
      var.memory_mib >= (var.cpu >= 6 ? 4096 : var.cpu == 4 ? 2048 : 512) &&
      var.memory_mib <= var.cpu * 4096
    )
    error_message = "memory_mib must be at most 4096 for each vCPU, and at least 4096 with 6 or 8 vCPUs, 2048 with 4, and 512 with fewer."
  }

  validation {
    condition     = !var.gpu || var.memory_mib >= 16384
    error_message = "gpu needs memory_mib of at least 16384."
  }

  validation {
    condition     = !local.fit_known || local.needed_mib <= var.memory_mib
    error_message = "The model does not fit: it needs ${local.needed_mib} MiB and an instance has memory_mib = ${var.memory_mib}. Raise memory_mib (and cpu), lower N_CTX and plan again, or use a stronger quantisation."
  }
}

variable "disk_mib" {
  description = "Ephemeral disk for the model's file in MiB: 10240 to 102400. More than 10240 needs a quota. 0 keeps the file in memory, which is faster."
  type        = number
  default     = 0

  validation {
    condition     = var.disk_mib == 0 || (var.disk_mib >= 10240 && var.disk_mib <= 102400)
    error_message = "disk_mib must be 0 (the file is kept in memory) or between 10240 and 102400."
  }

  validation {
    condition     = var.disk_mib == 0 || lookup(var.env, "MODEL_CACHE", "directory") != "memory"
    error_message = "With MODEL_CACHE = \"memory\" in env the disk would be paid for and stay empty: remove disk_mib or MODEL_CACHE."
  }

  validation {
    condition     = !local.fit_known || var.disk_mib == 0 || local.model_mib <= var.disk_mib
    error_message = "The model's file has ${local.model_mib} MiB, but disk_mib is ${var.disk_mib}."
  }
}

variable "gpu" {
  description = "Give each instance an NVIDIA L4 and put every layer on it. This needs 4 vCPUs, 16384 MiB, a quota and a region with L4s. `build` and `push` then build the image for CUDA."
  type        = bool
  default     = false

  validation {
    condition     = !var.gpu || var.cpu >= 4
    error_message = "gpu needs cpu of at least 4."
  }

  validation {
    condition     = !var.gpu || contains(var.gpu_regions, var.region)
    error_message = "Cloud Run has no L4s in ${var.region}: choose one of ${join(", ", var.gpu_regions)}, or add a region that has got them since to gpu_regions."
  }

  validation {
    condition     = !local.fit_known || !var.gpu || local.model_mib + local.beside_mib <= local.gpu_mib
    error_message = "The model does not fit on an L4: it needs ${local.model_mib + local.beside_mib} MiB of ${local.gpu_mib}."
  }
}

variable "gpu_regions" {
  description = "Regions in which Cloud Run has L4s; asia-south1 by invitation. The default is what Google listed when this was written."
  type        = list(string)
  default     = ["asia-south1", "asia-southeast1", "europe-west1", "europe-west4", "us-central1", "us-east4"]

  validation {
    condition     = alltrue([for region in var.gpu_regions : can(regex("^[a-z]+-[a-z]+[0-9]+$", region))])
    error_message = "gpu_regions must be names of regions, such as europe-west1."
  }
}

variable "min_instances" {
  description = "Number of instances that are kept running and billed. They load their model before they count as started (see startup_waits_for)."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances
    error_message = "min_instances must be between 0 and max_instances."
  }
}

variable "max_instances" {
  description = "Maximum number of instances. Each answers one request at a time, so this is also the number of simultaneous replies. A warmup ping that finds every instance busy starts another one."
  type        = number
  default     = 3

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 1000
    error_message = "max_instances must be between 1 and 1000."
  }
}

variable "timeout_seconds" {
  description = "Timeout of a request in seconds. Replies end 10 s earlier, with `length`, so that the client receives a complete reply."
  type        = number
  default     = 600

  validation {
    condition     = var.timeout_seconds >= 30 && var.timeout_seconds <= 3600
    error_message = "timeout_seconds must be between 30 and 3600."
  }
}

variable "startup_waits_for" {
  description = "Condition for a started instance: `port` sends it the first request at once, whose stream then reports the cold start; `model` waits until a token could be produced, with the full CPU, for at most 240 s. Null is `model` with min_instances, or with warmup_schedule and api_key_secret, and `port` otherwise."
  type        = string
  default     = null

  validation {
    condition     = var.startup_waits_for == null || contains(["port", "model"], coalesce(var.startup_waits_for, "port"))
    error_message = "startup_waits_for must be port or model."
  }

  validation {
    condition     = var.startup_waits_for != "port" || var.min_instances == 0
    error_message = "With startup_waits_for = \"port\", min_instances are billed without a model: they have no CPU after the port is open. Leave startup_waits_for out."
  }
}

variable "smoke_test" {
  description = "Request a reply from each new revision before it gets the traffic; a revision that does not reply fails the apply. It needs gcloud and curl."
  type        = bool
  default     = true
}

variable "access" {
  description = "Access control: `private` (IAM: invokers and the project's own roles) or `api_key` (anyone with the key)."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "api_key"], var.access)
    error_message = "access must be private or api_key."
  }

  validation {
    condition     = var.access != "api_key" || var.api_key_secret != null
    error_message = "access = \"api_key\" opens the service to everyone, so it needs api_key_secret."
  }
}

variable "invokers" {
  description = "IAM members that may call a private service, such as user:ann@example.com or serviceAccount:name@project.iam.gserviceaccount.com."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for m in var.invokers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):.+$", m))])
    error_message = "invokers must be IAM members, such as user:ann@example.com. For the public, set access = \"api_key\"."
  }

  validation {
    condition     = length(var.invokers) == 0 || var.access == "private"
    error_message = "invokers have no effect with access = \"api_key\"; remove them."
  }
}

variable "iap_members" {
  description = "People who reach the service through Google's login page (Identity-Aware Proxy), such as user:ann@example.com or group:team@example.com. They need no key and no proxy. It needs the two files in terraform/gcp/iap."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for m in var.iap_members : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):.+$", m))])
    error_message = "iap_members must be IAM members, such as user:ann@example.com. Identity-Aware Proxy lets in no one without a login."
  }

  validation {
    condition     = length(var.iap_members) == 0 || local.iap_files
    error_message = "iap_members needs two more files: cp terraform/gcp/iap/*.tf terraform/gcp/"
  }

  validation {
    condition     = length(var.iap_members) == 0 || var.access == "private"
    error_message = "access = \"api_key\" opens the service to everyone with the key, and iap_members to those who log in. Choose one."
  }

  validation {
    condition     = length(var.iap_members) == 0 || var.api_key_secret == null
    error_message = "Identity-Aware Proxy reads the header that holds the key, and rejects it. Remove api_key_secret: the login replaces the key."
  }

  validation {
    condition     = length(var.iap_members) == 0 || length(var.invokers) == 0
    error_message = "invokers have no effect behind Identity-Aware Proxy. Move them to iap_members."
  }

  validation {
    condition     = length(var.iap_members) == 0 || var.warmup_schedule == null
    error_message = "The pings of warmup_schedule do not pass Identity-Aware Proxy. Use min_instances."
  }
}

variable "api_key_secret" {
  description = "Name of the Secret Manager secret that holds API_KEY. Create the secret outside Terraform, so that no state contains the key."
  type        = string
  default     = null

  validation {
    condition     = var.api_key_secret == null || can(regex("^[A-Za-z0-9_-]{1,255}$", var.api_key_secret))
    error_message = "api_key_secret must be a secret's short name in this project."
  }
}

variable "env" {
  description = "Further settings of the function, such as { N_CTX = \"8192\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.env) : contains(local.free_settings, key)])
    error_message = "env takes ${join(", ", local.free_settings)}; the other settings follow from variables of their own."
  }

  validation {
    condition = alltrue([
      for key in ["CLIENT_TIMEOUT", "MAX_TOKENS", "N_CTX", "N_THREADS", "PREFIX_CACHE_MB", "QUEUE_SIZE"] :
      can(tonumber(lookup(var.env, key, "0")))
    ])
    error_message = "CLIENT_TIMEOUT, MAX_TOKENS, N_CTX, N_THREADS, PREFIX_CACHE_MB and QUEUE_SIZE in env must be numbers."
  }

  validation {
    condition = alltrue([
      for key in ["CHAT_TEMPLATE", "LORA_URI", "SYSTEM_PROMPT"] : !can(regex("^(gs|s3)://", lookup(var.env, key, ""))) || startswith(lookup(var.env, key, ""), "gs://${var.project}-${var.name}-models/")
    ])
    error_message = "CHAT_TEMPLATE, LORA_URI and SYSTEM_PROMPT in env may name objects in this module's bucket only: the service may read no other one."
  }
}

variable "warmup_schedule" {
  description = "Schedule of the warmup ping, as a cron expression in UTC, such as `*/10 7-18 * * 1-5`. Null disables it."
  type        = string
  default     = null

  validation {
    condition     = var.warmup_schedule == null || can(regex(local.cron, var.warmup_schedule))
    error_message = "warmup_schedule must be a cron expression of five fields, such as */10 7-18 * * 1-5."
  }
}

variable "alert_emails" {
  description = "E-mail addresses for alerts. Without any, incidents appear only in the console."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", a))])
    error_message = "alert_emails must be e-mail addresses."
  }
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with the models in it."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Labels of all resources, in addition to service = name: costs can be listed by label."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must have lower-case letters, digits, hyphens and underscores, at most 63 characters."
  }
}

variable "monthly_budget" {
  description = "Monthly budget in the billing account's currency. Half of it, all of it, and a forecast above it are reported to alert_emails and to the billing account's administrators. It counts the whole project, and stops nothing. Null creates none."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget == null || coalesce(var.monthly_budget, 1) >= 1
    error_message = "monthly_budget must be at least 1."
  }

  validation {
    condition     = var.monthly_budget == null || coalesce(var.monthly_budget, 1) == floor(coalesce(var.monthly_budget, 1))
    error_message = "monthly_budget must be a whole number."
  }
}

variable "kms_key" {
  description = "Key in Cloud KMS, in the same region, that encrypts the models, the images and the service: projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY. Set it before the first apply. Null uses Google's keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/${var.region}/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must be projects/…/locations/REGION/keyRings/…/cryptoKeys/…, in the region of all resources."
  }
}

variable "github_repository" {
  description = "Repository on GitHub, as owner/name, whose main branch may deploy with the workflow deploy-gcp, without a stored key. Null allows none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be owner/name."
  }
}
