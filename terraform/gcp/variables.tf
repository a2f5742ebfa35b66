variable "project" {
  description = "The Google Cloud project's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is a project's id, like my-project-123: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where everything is, like europe-west1. A GPU needs a region that has L4s."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region's name, like europe-west1 (not a zone)."
  }
}

variable "name" {
  description = "The service's name, and the beginning of every other name."
  type        = string
  default     = "chat"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.name))
    error_message = "name has 2 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "image" {
  description = "The service's first image, with tag or digest. Null makes all but the service, so that there is a registry to push to. Later images are cloudbuild.yaml's to deploy: a change of this variable changes no running service."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^\\s@]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image names a tag or a digest: …/chat:v1 or …/chat@sha256:…"
  }
}

variable "model" {
  description = "The model's object in the bucket, like llama-2-7b.Q8_0.gguf. Null is the image's own: the one baked in, or the demo."
  type        = string
  default     = null

  validation {
    condition     = var.model == null || can(regex("^[^/\\s:][^\\s:]*\\.gguf$", var.model))
    error_message = "model is an object's name that ends in .gguf, with neither a scheme nor a bucket before it."
  }
}

variable "model_file" {
  description = "A local file to upload as the model. Null when the object is uploaded by other means."
  type        = string
  default     = null

  validation {
    condition     = var.model_file == null || var.model != null
    error_message = "model_file needs model, the name it gets in the bucket."
  }
}

variable "snapshot" {
  description = "Let an instance that had to read SYSTEM_PROMPT itself store the state after it beside the model, for every later one. It may write that one object and no other."
  type        = bool
  default     = false

  validation {
    condition     = !var.snapshot || (var.model != null && contains(keys(var.env), "SYSTEM_PROMPT"))
    error_message = "snapshot needs model, which the snapshot lies beside, and SYSTEM_PROMPT in env, which it is of."
  }
}

variable "model_bytes" {
  description = "Size of the model's file in bytes, from `python -m function plan URI --tfvars`. Null skips the fit check."
  type        = number
  default     = null

  validation {
    condition     = var.model_bytes == null || coalesce(var.model_bytes, 1) > 0
    error_message = "model_bytes is a size in bytes."
  }
}

variable "model_memory_bytes" {
  description = "Memory in bytes that answering needs beside the model's file: KV cache, compute buffers, the program. From the same plan."
  type        = number
  default     = null

  validation {
    condition     = (var.model_memory_bytes == null) == (var.model_bytes == null) && coalesce(var.model_memory_bytes, 1) > 0
    error_message = "model_memory_bytes and model_bytes come together, from `python -m function plan URI --tfvars`."
  }
}

variable "cpu" {
  description = "vCPUs of an instance: 1, 2, 4, 6 or 8."
  type        = number
  default     = 4

  validation {
    condition     = contains([1, 2, 4, 6, 8], var.cpu)
    error_message = "cpu is 1, 2, 4, 6 or 8."
  }
}

variable "memory_mib" {
  description = "Memory of an instance in MiB. Holds the model's file too, unless disk_mib gives it a disk."
  type        = number
  default     = 8192

  validation {
    condition = (
      var.memory_mib >= (var.cpu >= 6 ? 4096 : var.cpu == 4 ? 2048 : 512) &&
      var.memory_mib <= var.cpu * 4096
    )
    error_message = "memory_mib is at most 4096 for each vCPU; at least 4096 with 6 or 8 vCPUs, 2048 with 4, and 512 with less."
  }
}

variable "disk_mib" {
  description = "Ephemeral disk for the model's file in MiB, at least 10240. 0 keeps the file in memory, which is faster."
  type        = number
  default     = 0

  validation {
    condition     = var.disk_mib == 0 || var.disk_mib >= 10240
    error_message = "disk_mib is 0 (the file is kept in memory) or at least 10240."
  }
}

variable "gpu" {
  description = "Give each instance an NVIDIA L4 and put every layer on it. Needs 4 vCPUs, 16384 MiB, quota, and an image built for CUDA."
  type        = bool
  default     = false

  validation {
    condition     = !var.gpu || (var.cpu >= 4 && var.memory_mib >= 16384)
    error_message = "gpu needs cpu of at least 4 and memory_mib of at least 16384."
  }
}

variable "min_instances" {
  description = "Instances kept running, and paid for. The way to keep more than one warm."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances
    error_message = "min_instances is between 0 and max_instances."
  }
}

variable "max_instances" {
  description = "Instances at most. Each answers one request at a time, so this is also how many replies run side by side; a warmup ping that finds every instance busy starts another."
  type        = number
  default     = 3

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 1000
    error_message = "max_instances is between 1 and 1000."
  }
}

variable "timeout_seconds" {
  description = "Seconds a request may take. Replies end 10 s before it, with `length`, so that the client gets a whole reply."
  type        = number
  default     = 600

  validation {
    condition     = var.timeout_seconds >= 30 && var.timeout_seconds <= 3600
    error_message = "timeout_seconds is between 30 and 3600."
  }
}

variable "startup_waits_for" {
  description = "When an instance counts as started: `port` sends it the first request at once, which is then told the cold start; `model` waits until a token could be produced, for those who keep instances warm."
  type        = string
  default     = "port"

  validation {
    condition     = contains(["port", "model"], var.startup_waits_for)
    error_message = "startup_waits_for is port or model."
  }
}

variable "access" {
  description = "Who may call: `private` (IAM: invokers and the project's own roles) or `api_key` (anybody who has the key)."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "api_key"], var.access)
    error_message = "access is private or api_key."
  }
}

variable "invokers" {
  description = "IAM members who may call a private service, like user:ann@example.com or serviceAccount:name@project.iam.gserviceaccount.com."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for m in var.invokers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):.+$", m))])
    error_message = "invokers are IAM members, like user:ann@example.com. For the public, set access = \"api_key\"."
  }
}

variable "api_key_secret" {
  description = "Name of the Secret Manager secret that holds API_KEY. The secret is made outside, so that no state knows the key."
  type        = string
  default     = null

  validation {
    condition     = var.api_key_secret == null || can(regex("^[A-Za-z0-9_-]{1,255}$", var.api_key_secret))
    error_message = "api_key_secret is a secret's short name in this project."
  }
}

variable "env" {
  description = "Further settings of the function, like { N_CTX = \"8192\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.env) : contains(local.free_settings, key)])
    error_message = "env takes ${join(", ", local.free_settings)}; the others follow from variables of their own."
  }
}

variable "warmup_schedule" {
  description = "When to ping an instance awake, as a cron expression in UTC, like `*/10 7-18 * * 1-5`. Null never."
  type        = string
  default     = null

  validation {
    condition     = var.warmup_schedule == null || can(regex("^\\S+( \\S+){4}$", var.warmup_schedule))
    error_message = "warmup_schedule is a cron expression of five fields, like */10 7-18 * * 1-5."
  }
}

variable "alert_emails" {
  description = "Addresses that alerts are sent to. Without any, incidents show in the console only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", a))])
    error_message = "alert_emails are e-mail addresses."
  }
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with the models in it."
  type        = bool
  default     = false
}
