//! The metrics: one row each. Names, types and labels are an interface that dashboards and alerts break by, silently.
//! How the values come about is in `gather`.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// With prefix, unit and suffix.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Names of its labels. Their values come from the configuration or from a closed list.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution over fixed buckets.
    Histogram,
}

impl Kind {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! table {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal)*) => {
        $(#[doc = $help] pub const $id: Row = Row { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*

        /// Every metric, in the order in which they are printed.
        pub const TABLE: &[Row] = &[$($id),*];
    };
}

table! {
    HTTP_REQUESTS: Counter "genkan_http_requests_total" ["listener", "route", "backend", "method", "code", "protocol", "origin"]
        "Exchanges that ended, by who answered (origin: backend or proxy); an empty backend was never asked."
    HTTP_REQUESTS_IN_FLIGHT: Gauge "genkan_http_requests_in_flight" ["listener"]
        "Exchanges that have begun and not ended."
    HTTP_REQUEST_DURATION: Histogram "genkan_http_request_duration_seconds" ["route", "backend", "code_class", "protocol"]
        "Time from the first byte of a request to the last of its answer; not of connections that were upgraded."
    HTTP_REQUEST_BODY_BYTES: Counter "genkan_http_request_body_bytes_total" ["route"]
        "Bytes of request bodies that clients sent."
    HTTP_RESPONSE_BODY_BYTES: Counter "genkan_http_response_body_bytes_total" ["route"]
        "Bytes of response bodies that clients were sent."
    PROXY_ERRORS: Counter "genkan_proxy_errors_total" ["reason", "route"]
        "Exchanges that were not simply relayed, by reason."
    GKE_STATUS_DETAILS: Counter "genkan_gke_status_details_total" ["status_details"]
        "Exchanges of routes that behave as the cloud's load balancer, by its word for how they went."

    LIMITS_REACHED: Counter "genkan_limits_reached_total" ["limit"]
        "How often something was refused because a limit was reached, by the limit's place in the configuration; descriptors and handshakes have none."
    WORKER_REQUESTS: Counter "genkan_worker_requests_total" ["worker"]
        "Exchanges that ended, by the worker that served them."
    WORKER_CONNECTIONS: Gauge "genkan_worker_connections" ["worker"]
        "Open client connections, by the worker that serves them."

    CONNECTIONS: Gauge "genkan_connections" ["listener"]
        "Open client connections."
    CONNECTIONS_TOTAL: Counter "genkan_connections_accepted_total" ["listener"]
        "Client connections that were accepted."
    CONNECTION_EVENTS: Counter "genkan_connection_events_total" ["event"]
        "What happened to client connections outside of an exchange."
    TLS_HANDSHAKES: Counter "genkan_tls_handshakes_total" ["version", "resumed", "result"]
        "TLS handshakes with clients that ended; a failed one has no version."
    TLS_HANDSHAKE_DURATION: Histogram "genkan_tls_handshake_duration_seconds" []
        "Time from the first byte of a TLS handshake to its end, of those that were completed."
    TUNNELS: Gauge "genkan_tunnels" []
        "Open upgraded connections, such as WebSockets."

    BACKEND_ENDPOINTS: Gauge "genkan_backend_endpoints" ["backend", "state"]
        "Endpoints of a backend by state: ready, ejected (ready, but left out for a while because its requests failed), not_ready, unknown."
    BACKEND_ENDPOINT_READY: Gauge "genkan_backend_endpoint_ready" ["backend", "endpoint"]
        "Whether an endpoint gets requests."
    BACKEND_ENDPOINT_REQUESTS: Gauge "genkan_backend_endpoint_requests_in_flight" ["backend", "endpoint"]
        "Requests that an endpoint has now."
    BACKEND_FIRST_BYTE_DURATION: Histogram "genkan_backend_first_byte_duration_seconds" ["backend"]
        "Time from sending a request to a backend to the head of its answer."
    BACKEND_CONNECTIONS: Gauge "genkan_backend_connections" ["backend", "state"]
        "Open connections to a backend by state: active, as many of them as there are requests, or idle."
    BACKEND_RETRIES: Counter "genkan_backend_retries_total" ["backend", "reason"]
        "Requests that were sent to a backend once more, by why they had failed before."
    BACKEND_EJECTIONS: Counter "genkan_backend_ejections_total" ["backend"]
        "How often an endpoint was left out because its requests failed in a row."
    HEALTH_PROBES: Counter "genkan_health_probes_total" ["backend", "result"]
        "Readiness probes that ended: passed or failed."

    CERTIFICATE_NOT_AFTER: Gauge "genkan_certificate_not_after_timestamp_seconds" ["certificate", "name"]
        "End of validity of a served certificate, for each of its names."
    CONFIG_GENERATION: Gauge "genkan_config_generation" []
        "Counts published configurations, from 1."
    CONFIG_LAST_RELOAD_SUCCESSFUL: Gauge "genkan_config_last_reload_successful" []
        "Whether the last change was taken without an error."
    CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP: Gauge "genkan_config_last_reload_success_timestamp_seconds" []
        "When a change was last taken without an error."
    CONFIG_FINDINGS: Gauge "genkan_config_findings" ["severity"]
        "Findings about the configuration as it is now."

    ACCESS_LOG_DROPPED: Counter "genkan_access_log_dropped_total" []
        "Access log lines that were lost because whoever takes them was too slow, full or gone."
    SPANS_DROPPED: Counter "genkan_spans_dropped_total" []
        "Spans that were lost because the collector did not take them, or not fast enough."
    BUILD_INFO: Gauge "genkan_build_info" ["version"]
        "Always 1; which version this is."
    PROCESS_START_TIME: Gauge "process_start_time_seconds" []
        "When the process started."
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "Processor time used, in user and system mode."
    PROCESS_RESIDENT_MEMORY: Gauge "process_resident_memory_bytes" []
        "Memory that is resident."
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open file descriptors."
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "Limit of open file descriptors."
}
