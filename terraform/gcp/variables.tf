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

variable "image" {
  description = "The service's first image, with tag or digest. Null creates everything except the service, so that there is a registry to push to. Later images are deployed by cloudbuild.yaml: changing this variable does not change a running service."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^\\s@]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must have a tag or a digest: …/chat:v1 or …/chat@sha256:…"
  }
}

variable "model" {
  description = "Object name of the model in the bucket, such as llama-2-7b.Q8_0.gguf. Null means the model in the image: the default one, or the one baked in."
  type        = string
  default     = null

  validation {
    condition     = var.model == null || can(regex("^[^/\\s:][^\\s:]*\\.gguf$", var.model))
    error_message = "model must be an object's name that ends in .gguf, without a scheme or a bucket."
  }
}

variable "model_file" {
  description = "A local file to upload as the model. Null if the object is uploaded by other means."
  type        = string
  default     = null

  validation {
    condition     = var.model_file == null || var.model != null
    error_message = "model_file needs model, the object's name in the bucket."
  }
}

variable "snapshot" {
  description = "Let an instance that had to read SYSTEM_PROMPT itself store a snapshot next to the model, for every later instance. It may write that one object and no other."
  type        = bool
  default     = false

  validation {
    condition     = !var.snapshot || (var.model != null && contains(keys(var.env), "SYSTEM_PROMPT"))
    error_message = "snapshot needs model, whose object it is stored next to, and SYSTEM_PROMPT in env, whose state it stores."
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
}

variable "disk_mib" {
  description = "Ephemeral disk for the model's file in MiB, at least 10240. 0 keeps the file in memory, which is faster."
  type        = number
  default     = 0

  validation {
    condition     = var.disk_mib == 0 || var.disk_mib >= 10240
    error_message = "disk_mib must be 0 (the file is kept in memory) or at least 10240."
  }
}

variable "gpu" {
  description = "Give each instance an NVIDIA L4 and put every layer on it. This needs 4 vCPUs, 16384 MiB, quota, and an image built for CUDA."
  type        = bool
  default     = false

  validation {
    condition     = !var.gpu || (var.cpu >= 4 && var.memory_mib >= 16384)
    error_message = "gpu needs cpu of at least 4 and memory_mib of at least 16384."
  }
}

variable "min_instances" {
  description = "Number of instances that are kept running and billed. Use this to keep more than one instance warm."
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
  description = "Condition for a started instance: `port` sends it the first request at once, whose stream then reports the cold start; `model` waits until a token could be produced, for deployments with warm instances."
  type        = string
  default     = "port"

  validation {
    condition     = contains(["port", "model"], var.startup_waits_for)
    error_message = "startup_waits_for must be port or model."
  }
}

variable "access" {
  description = "Access control: `private` (IAM: invokers and the project's own roles) or `api_key` (anyone with the key)."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "api_key"], var.access)
    error_message = "access must be private or api_key."
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
}

variable "warmup_schedule" {
  description = "Schedule of the warmup ping, as a cron expression in UTC, such as `*/10 7-18 * * 1-5`. Null disables it."
  type        = string
  default     = null

  validation {
    condition     = var.warmup_schedule == null || can(regex("^\\S+( \\S+){4}$", var.warmup_schedule))
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
