{{- define "metrics.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "metrics.fullname" -}}
{{- $name := include "metrics.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "metrics.selector" -}}
app.kubernetes.io/name: {{ include "metrics.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "metrics.labels" -}}
{{ include "metrics.selector" . }}
app.kubernetes.io/part-of: kdcube
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "metrics.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "metrics.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "metrics.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* A value as the server reads it: numbers without an exponent, objects as JSON, lists with commas. */}}
{{- define "metrics.text" -}}
{{- if kindIs "map" . }}{{ toJson . }}
{{- else if kindIs "slice" . }}{{ join "," . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{/* Variables of the ConfigMap, as YAML: those that are neither null nor empty. False and 0 are values. */}}
{{- define "metrics.variables" -}}
{{- $v := .Values }}
{{- $all := dict
  "METRICS_MODE" $v.mode
  "METRICS_PORT" $v.service.port
  "METRICS_KEDA_PORT" $v.keda.port
  "METRICS_SCALE_PROC_TARGET_UTILIZATION" $v.scaling.procTargetUtilization
  "METRICS_SCALE_PROC_TARGET_WAIT_SEC" $v.scaling.procTargetWaitSec
  "METRICS_SCALE_PROC_MIN" $v.scaling.procMin
  "METRICS_SCALE_PROC_MAX" $v.scaling.procMax
  "METRICS_SCALE_INGRESS_TARGET_SATURATION" $v.scaling.ingressTargetSaturation
  "METRICS_SCALE_INGRESS_MIN" $v.scaling.ingressMin
  "METRICS_SCALE_INGRESS_MAX" $v.scaling.ingressMax
  "METRICS_SCALE_STABILIZATION_SEC" $v.scaling.stabilizationSec
  "METRICS_EXPORT_OTLP" $v.otlp.enabled
  "METRICS_OTLP_ENDPOINT" $v.otlp.endpoint
  "METRICS_OTLP_PROTOCOL" $v.otlp.protocol
  "METRICS_EXPORT_STATSD" $v.statsd.enabled
  "METRICS_STATSD_ADDRESS" $v.statsd.address
  "METRICS_LOG_FORMAT" $v.log.format
  "RUST_LOG" $v.log.level
  "METRICS_LEASE" $v.sampling.lease
  "METRICS_SAMPLE_INTERVAL_SEC" $v.sampling.intervalSec
  "METRICS_STALE_AFTER_SEC" $v.sampling.staleAfterSec
  "METRICS_REQUEST_TIMEOUT_SEC" $v.sampling.requestTimeoutSec
  "METRICS_HISTORY_MAX_SAMPLES" $v.sampling.historyMaxSamples
  "GATEWAY_CONFIG_JSON" $v.gateway.config
  "GATEWAY_COMPONENT" $v.gateway.component
  "GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP" $v.gateway.forceEnvOnStartup
  "TENANT_ID" $v.gateway.tenantId
  "PROJECT_ID" $v.gateway.projectId
  "METRICS_INGRESS_BASE_URL" $v.proxy.ingressBaseUrl
  "METRICS_PROC_BASE_URL" $v.proxy.procBaseUrl
  "METRICS_AUTH_HEADER_NAME" $v.proxy.authHeaderName
  "METRICS_SCHEDULER_ENABLED" $v.scheduler.enabled
  "METRICS_EXPORT_INTERVAL_SEC" $v.scheduler.intervalSec
  "METRICS_EXPORT_ON_START" $v.scheduler.onStart
  "METRICS_PROM_SCRAPE_TTL_SEC" $v.prometheus.scrapeTtlSec
  "METRICS_PROM_NAMES" $v.prometheus.names
  "METRICS_MAPPING_JSON" $v.prometheus.mapping
  "METRICS_EXPORT_PROMETHEUS_PUSH" $v.pushgateway.enabled
  "METRICS_PROM_PUSHGATEWAY_URL" $v.pushgateway.url
  "METRICS_PROM_JOB_NAME" $v.pushgateway.jobName
  "METRICS_PROM_GROUPING_LABELS_JSON" $v.pushgateway.groupingLabels
  "METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN" $v.pushgateway.deleteOnShutdown
  "METRICS_EXPORT_CLOUDWATCH" $v.cloudwatch.enabled
  "METRICS_CLOUDWATCH_REGION" $v.cloudwatch.region
  "METRICS_CLOUDWATCH_NAMESPACE" $v.cloudwatch.namespace
  "METRICS_CLOUDWATCH_DIMENSIONS_JSON" $v.cloudwatch.dimensions
  "METRICS_CLOUDWATCH_INCLUDE" $v.cloudwatch.include
  "METRICS_CLOUDWATCH_HIGH_RESOLUTION" $v.cloudwatch.highResolution
  "METRICS_CLOUDWATCH_SPOOL_SEC" $v.cloudwatch.spoolSec
  "METRICS_ENABLE_PG_POOL" $v.postgres.enabled
  "POSTGRES_HOST" $v.postgres.host
  "POSTGRES_PORT" $v.postgres.port
  "POSTGRES_DATABASE" $v.postgres.database
  "POSTGRES_USER" $v.postgres.user
  "POSTGRES_SSL" $v.postgres.ssl
}}
{{- if $v.gateway.existingConfigMap }}{{- $_ := set $all "GATEWAY_YAML_PATH" "/run/gateway/gateway.yaml" }}{{ end }}
{{- if $v.tls.enabled }}
{{- $_ := set $all "METRICS_TLS_CERT_FILE" (printf "/run/tls/%s" $v.tls.certKey) }}
{{- $_ := set $all "METRICS_TLS_KEY_FILE" (printf "/run/tls/%s" $v.tls.keyKey) }}
{{- with $v.tls.clientCaKey }}{{- $_ := set $all "METRICS_TLS_CLIENT_CA_FILE" (printf "/run/tls/%s" .) }}{{ end }}
{{- end }}
{{- if $v.proxy.tls.existingSecret }}
{{- with $v.proxy.tls.caKey }}{{- $_ := set $all "METRICS_PROXY_CA_FILE" (printf "/run/proxy-tls/%s" .) }}{{ end }}
{{- with $v.proxy.tls.certKey }}{{- $_ := set $all "METRICS_PROXY_CLIENT_CERT_FILE" (printf "/run/proxy-tls/%s" .) }}{{ end }}
{{- with $v.proxy.tls.keyKey }}{{- $_ := set $all "METRICS_PROXY_CLIENT_KEY_FILE" (printf "/run/proxy-tls/%s" .) }}{{ end }}
{{- end }}
{{- if $v.postgres.ca.existingSecret }}
{{- $_ := set $all "METRICS_POSTGRES_CA_FILE" (printf "/run/postgres-ca/%s" $v.postgres.ca.key) }}
{{- end }}
{{- if $v.externalMetrics.enabled }}
{{- $_ := set $all "METRICS_EXTERNAL_METRICS" true }}
{{- $_ := set $all "METRICS_EXTERNAL_METRICS_PORT" $v.externalMetrics.port }}
{{- $_ := set $all "METRICS_EXTERNAL_METRICS_AUTHORIZE" $v.externalMetrics.authorize }}
{{- end }}
{{- range $name, $value := $v.settings }}{{- $_ := set $all $name $value }}{{ end }}
{{- range $name, $value := $all }}
{{- if not (or (kindIs "invalid" $value) (has (toJson $value) (list "\"\"" "{}" "[]"))) }}
{{ $name }}: {{ include "metrics.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings that are read from Secrets, as a YAML list of {variable, name, key}. */}}
{{- define "metrics.secrets" -}}
{{- range $variable, $from := .Values.secrets }}
{{- if and $from (or (ne $variable "REDIS_URL") (eq $.Values.mode "redis")) }}
- {variable: {{ $variable }}, name: {{ $from.name | default $.Values.existingSecret | quote }}, key: {{ $from.key | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Folders of certificates, as a YAML list of {volume, secret}: whole, because a file that is mounted alone is never renewed. */}}
{{- define "metrics.certificates" -}}
{{- if .Values.tls.enabled }}
- {volume: tls, secret: {{ required "tls.existingSecret: name the Secret of the certificate" .Values.tls.existingSecret | quote }}}
{{- end }}
{{- with .Values.proxy.tls.existingSecret }}
- {volume: proxy-tls, secret: {{ quote . }}}
{{- end }}
{{- with .Values.postgres.ca.existingSecret }}
- {volume: postgres-ca, secret: {{ quote . }}}
{{- end }}
{{- end }}

{{/* The configuration that a mode cannot do without, and what excludes each other. */}}
{{- define "metrics.validate" -}}
{{- $env := dict }}
{{- range .Values.extraEnv }}{{- $_ := set $env .name true }}{{ end }}
{{- range $name, $_ := .Values.secrets }}{{- $_ := set $env $name true }}{{ end }}
{{- range $name, $_ := .Values.settings }}{{- $_ := set $env $name true }}{{ end }}
{{- $given := or .Values.gateway.config .Values.gateway.existingConfigMap .Values.extraEnvFrom (hasKey $env "GATEWAY_CONFIG_JSON") (hasKey $env "GATEWAY_YAML_PATH") (hasKey $env "PLATFORM_DESCRIPTORS_DIR") }}
{{- if and (eq .Values.mode "redis") (not $given) }}
{{- fail "gateway.config: redis mode needs tenant and project, such as --set gateway.config.tenant=acme,gateway.config.project=chat" }}
{{- end }}
{{- $upstream := or .Values.proxy.ingressBaseUrl .Values.proxy.procBaseUrl .Values.extraEnvFrom (hasKey $env "METRICS_INGRESS_BASE_URL") (hasKey $env "METRICS_PROC_BASE_URL") }}
{{- if and (eq .Values.mode "proxy") (not $upstream) }}
{{- fail "proxy.ingressBaseUrl: proxy mode needs this or proxy.procBaseUrl" }}
{{- end }}
{{- if and .Values.hpa.enabled .Values.keda.enabled }}
{{- fail "hpa.enabled and keda.enabled: enable one, because a cluster has one provider of external.metrics.k8s.io" }}
{{- end }}
{{- if .Values.externalMetrics.enabled }}
{{- if .Values.keda.enabled }}
{{- fail "externalMetrics.enabled and keda.enabled: enable one, because a cluster has one provider of external.metrics.k8s.io" }}
{{- end }}
{{- if not .Values.tls.enabled }}
{{- fail "externalMetrics.enabled: the API server speaks TLS only; set tls.enabled and tls.existingSecret" }}
{{- end }}
{{- if not (or .Values.externalMetrics.caBundle .Values.externalMetrics.annotations) }}
{{- fail "externalMetrics.caBundle: the API server must know who signed the certificate; set this, or externalMetrics.annotations for cert-manager" }}
{{- end }}
{{- end }}
{{- end }}
