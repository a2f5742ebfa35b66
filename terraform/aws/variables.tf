variable "region" {
  description = "Where everything is, like eu-central-1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is a region's name, like eu-central-1 (not a zone)."
  }
}

variable "name" {
  description = "The function's name, and the beginning of every other name."
  type        = string
  default     = "chat"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.name))
    error_message = "name has 2 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "image" {
  description = "The function's image in the repository, with tag or digest. Null makes all but the function, so that there is a repository to push to. Another image is deployed without downtime."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^\\s@]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image names a tag or a digest: …/chat:v1 or …/chat@sha256:…"
  }
}

variable "architecture" {
  description = "What the image was built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is x86_64 or arm64."
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

variable "memory_mib" {
  description = "Memory of an instance in MiB. CPUs come with it: one for each 1769 MiB. New accounts may be limited to 3008."
  type        = number
  default     = 8192

  validation {
    condition     = var.memory_mib >= 512 && var.memory_mib <= 10240
    error_message = "memory_mib is between 512 and 10240."
  }
}

variable "disk_mib" {
  description = "Ephemeral disk of an instance in MiB; /tmp, where the model's file is kept. With MODEL_CACHE = memory in env it is kept in memory, and 512 will do."
  type        = number
  default     = 10240

  validation {
    condition     = var.disk_mib >= 512 && var.disk_mib <= 10240
    error_message = "disk_mib is between 512 and 10240."
  }
}

variable "min_instances" {
  description = "Instances kept running, and paid for (provisioned concurrency). The way to keep more than one warm."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= coalesce(var.max_instances, 1000)
    error_message = "min_instances is between 0 and max_instances."
  }
}

variable "max_instances" {
  description = "Instances at most (reserved concurrency). Each answers one request at a time, so this is also how many replies run side by side; a warmup ping that finds every instance busy starts another. Null leaves it to the account's limit, which new accounts need: they have too little to reserve from."
  type        = number
  default     = 3

  validation {
    condition     = coalesce(var.max_instances, 1) >= 1 && coalesce(var.max_instances, 1) <= 1000
    error_message = "max_instances is between 1 and 1000, or null."
  }
}

variable "timeout_seconds" {
  description = "Seconds a request may take. Replies end 10 s before it, with `length`, so that the client gets a whole reply."
  type        = number
  default     = 600

  validation {
    condition     = var.timeout_seconds >= 30 && var.timeout_seconds <= 900
    error_message = "timeout_seconds is between 30 and 900."
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
  description = "Who may call: `private` (IAM: invokers, and whom the account's own policies let) or `api_key` (anybody who has the key)."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "api_key"], var.access)
    error_message = "access is private or api_key."
  }
}

variable "invokers" {
  description = "Accounts, users and roles that may call a private function: ids and ARNs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for p in var.invokers : can(regex("^([0-9]{12}|arn:[a-z-]+:(iam|sts)::[0-9]{12}:.+)$", p))])
    error_message = "invokers are account ids or ARNs of users and roles. For the public, set access = \"api_key\"."
  }
}

variable "api_key_parameter" {
  description = "Name of the SSM parameter (a SecureString) that holds API_KEY. The function reads it when it starts; it is made outside, so that no state knows the key."
  type        = string
  default     = null

  validation {
    condition     = var.api_key_parameter == null || can(regex("^[A-Za-z0-9_./-]{1,1000}$", var.api_key_parameter))
    error_message = "api_key_parameter is a parameter's name in this region, like /chat/key."
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
  description = "When to ping an instance awake, as EventBridge Scheduler writes it, in UTC, like `rate(10 minutes)` or `cron(0/10 7-18 ? * MON-FRI *)`. Null never."
  type        = string
  default     = null

  validation {
    condition     = var.warmup_schedule == null || can(regex("^(rate\\([0-9]+ (minutes?|hours?|days?)\\)|cron\\(\\S+( \\S+){5}\\))$", var.warmup_schedule))
    error_message = "warmup_schedule is rate(…) or cron(…) with six fields, like cron(0/10 7-18 ? * MON-FRI *)."
  }
}

variable "alert_emails" {
  description = "Addresses that alarms are sent to. Without any, alarms show in the console only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", a))])
    error_message = "alert_emails are e-mail addresses."
  }
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with the models in it and the repository with its images."
  type        = bool
  default     = false
}
