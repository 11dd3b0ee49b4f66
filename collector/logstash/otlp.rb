# A request of OTLP logs in JSON, taken apart: one event a log record, in the form of the Collector's own documents
# (Elasticsearch exporter, mode otel), so that templates and searches hold for both.

DATA_STREAM = "data_stream.".freeze

def filter(event)
  event.get("resourceLogs").to_a.flat_map do |resource_logs|
    resource = described(resource_logs["resource"], resource_logs["schemaUrl"])
    resource_logs["scopeLogs"].to_a.flat_map do |scope_logs|
      scope = described(scope_logs["scope"], scope_logs["schemaUrl"])
      scope.update((scope_logs["scope"] || {}).slice("name", "version"))
      scope_logs["logRecords"].to_a.map { |record| LogStash::Event.new(document(record, resource, scope)) }
    end
  end
end

def document(record, resource, scope)
  attributes = attributes_of(record)
  time = record["timeUnixNano"].to_i
  time = record["observedTimeUnixNano"].to_i if time.zero?
  found = {
    "@timestamp" => iso(time),
    "observed_timestamp" => iso(record["observedTimeUnixNano"].to_i),
    "severity_number" => record["severityNumber"],
    "severity_text" => record["severityText"],
    "event_name" => record["eventName"],
    "trace_id" => record["traceId"],
    "span_id" => record["spanId"],
    "body" => body(record["body"]),
    "data_stream" => data_stream(attributes, scope["attributes"], resource["attributes"]),
    "attributes" => others(attributes),
    "scope" => without_data_stream(scope),
    "resource" => without_data_stream(resource),
  }
  found.reject { |_, value| value.nil? || value == "" }
end

# A resource or a scope.
def described(given, schema_url)
  found = { "attributes" => attributes_of(given || {}) }
  found["schema_url"] = schema_url unless schema_url.to_s.empty?
  found
end

def attributes_of(given)
  given["attributes"].to_a.each_with_object({}) do |pair, found|
    # Brackets in a name would be a path to Logstash; a name without a letter is nothing that could be searched for.
    name = pair["key"].to_s.tr("[]", "()")
    found[name] = value_of(pair["value"]) unless name.strip.empty?
  end
end

# OTLP's JSON has 64-bit integers as strings.
def value_of(value)
  kind, inner = (value || {}).first
  case kind
  when "intValue" then inner.to_i
  when "arrayValue" then inner["values"].to_a.map { |one| value_of(one) }
  when "kvlistValue" then attributes_of({ "attributes" => inner["values"] })
  else inner
  end
end

def body(given)
  value = value_of(given)
  case value
  when nil then nil
  when Hash, Array then { "structured" => value }
  else { "text" => value }
  end
end

def iso(nanoseconds)
  return nil if nanoseconds.zero?
  seconds, rest = nanoseconds.divmod(1_000_000_000)
  format("%s.%09dZ", Time.at(seconds).utc.strftime("%Y-%m-%dT%H:%M:%S"), rest)
end

# By the record, else the scope, else the resource; as the exporter does, with what Elasticsearch forbids replaced.
def data_stream(*attributes)
  dataset, namespace = ["dataset", "namespace"].map do |part|
    attributes.map { |one| one[DATA_STREAM + part] }.compact.first
  end
  {
    "type" => "logs",
    "dataset" => "#{allowed(dataset || "generic", '-\\\\/*?"<>| ,#:')}.otel",
    "namespace" => allowed(namespace || "default", '\\\\/*?"<>| ,#:'),
  }
end

def allowed(text, forbidden)
  text.to_s.downcase.tr(forbidden, "_")[0, 95]
end

# Of a resource or a scope; without the attributes, if none is left.
def without_data_stream(described)
  kept = others(described["attributes"])
  rest = described.reject { |name, _| name == "attributes" }
  kept.empty? ? rest : rest.merge("attributes" => kept)
end

def others(attributes)
  attributes.reject { |name, _| name.start_with?(DATA_STREAM) }
end
