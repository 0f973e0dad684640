#include <toml++/toml.h>

#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/status.h"
#include "daemon/config.h"

namespace glovebox {
namespace {

absl::Status Refuse(absl::string_view where, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(where, ": ", why),
                       {"CONFIG_INVALID", {}});
}

// A value of the file with the place to name in an error.
struct Place {
  std::string file;
  std::string key;
  std::string At(const toml::node& node) const {
    return absl::StrCat(file, ":", node.source().begin.line, ": ", key);
  }
};

using Setter = std::function<absl::Status(const toml::node&, const Place&)>;
using Setters = std::map<std::string, Setter, std::less<>>;

Setter Text(std::string* value) {
  return [value](const toml::node& node, const Place& place) -> absl::Status {
    const auto* text = node.as_string();
    if (text == nullptr) return Refuse(place.At(node), "must be a text in quotes");
    *value = text->get();
    return absl::OkStatus();
  };
}

Setter Flag(bool* value) {
  return [value](const toml::node& node, const Place& place) -> absl::Status {
    const auto* flag = node.as_boolean();
    if (flag == nullptr) return Refuse(place.At(node), "must be true or false");
    *value = flag->get();
    return absl::OkStatus();
  };
}

template <typename Number>
Setter Count(Number* value) {
  return [value](const toml::node& node, const Place& place) -> absl::Status {
    const auto* number = node.as_integer();
    if (number == nullptr || number->get() < 0) {
      return Refuse(place.At(node), "must be a whole number, not negative");
    }
    if (static_cast<uint64_t>(number->get()) > std::numeric_limits<Number>::max()) {
      return Refuse(place.At(node),
                    absl::StrCat("must be at most ", std::numeric_limits<Number>::max()));
    }
    *value = static_cast<Number>(number->get());
    return absl::OkStatus();
  };
}

template <typename Value>
Setter Word(absl::Status (*parse)(absl::string_view, Value*), Value* value) {
  return [parse, value](const toml::node& node, const Place& place) -> absl::Status {
    std::string text;
    RETURN_IF_ERROR(Text(&text)(node, place));
    const absl::Status parsed = parse(text, value);
    return parsed.ok() ? parsed : Refuse(place.At(node), parsed.message());
  };
}

Setter Texts(std::optional<std::vector<std::string>>* value) {
  return [value](const toml::node& node, const Place& place) -> absl::Status {
    const auto* array = node.as_array();
    if (array == nullptr) return Refuse(place.At(node), "must be a list of texts");
    std::vector<std::string> texts;
    for (const toml::node& item : *array) {
      std::string text;
      RETURN_IF_ERROR(Text(&text)(item, place));
      texts.push_back(std::move(text));
    }
    *value = std::move(texts);
    return absl::OkStatus();
  };
}

Setter TextList(std::vector<std::string>* value) {
  return [value](const toml::node& node, const Place& place) -> absl::Status {
    std::optional<std::vector<std::string>> texts;
    RETURN_IF_ERROR(Texts(&texts)(node, place));
    *value = *std::move(texts);
    return absl::OkStatus();
  };
}

Setter OptionalText(std::optional<std::string>* value) {
  return [value](const toml::node& node, const Place& place) -> absl::Status {
    return Text(&value->emplace())(node, place);
  };
}

absl::Status Apply(const toml::table& table, const Setters& setters, const Place& where);

Setter Section(Setters setters) {
  return [setters = std::move(setters)](const toml::node& node, const Place& place) {
    const auto* table = node.as_table();
    if (table == nullptr) {
      return Refuse(place.At(node), absl::StrCat("must be a section [", place.key, "]"));
    }
    return Apply(*table, setters, place);
  };
}

Setter Labels(std::map<std::string, std::string>* labels) {
  return [labels](const toml::node& node, const Place& place) -> absl::Status {
    const auto* table = node.as_table();
    if (table == nullptr) return Refuse(place.At(node), "must be a section [labels]");
    for (const auto& [key, value] : *table) {
      const std::string name(key.str());
      RETURN_IF_ERROR(Text(&(*labels)[name])(value, {place.file, absl::StrCat("labels.", name)}));
    }
    return absl::OkStatus();
  };
}

absl::Status Apply(const toml::table& table, const Setters& setters, const Place& where) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const Place place{where.file, where.key.empty() ? name : absl::StrCat(where.key, ".", name)};
    auto setter = setters.find(name);
    if (setter == setters.end()) {
      const std::string known = absl::StrJoin(
          setters, ", ", [](std::string* out, const auto& entry) { out->append(entry.first); });
      return Refuse(absl::StrCat(place.file, ":", key.source().begin.line, ": ",
                                 EscapeForPeople(place.key, 100)),
                    absl::StrCat("unknown key; known here: ", known));
    }
    RETURN_IF_ERROR(setter->second(node, place));
  }
  return absl::OkStatus();
}

Setters LimitSetters(SandboxLimits* limits) {
  Setters setters;
  for (const LimitRange& range : SandboxLimitRanges()) {
    setters[range.field] = Count(&(limits->*range.member));
  }
  return setters;
}

Setters OutputSetters(OutputLimits* limits) {
  Setters setters;
  for (const OutputField& field : OutputFields()) {
    setters[field.name] = Count(&(limits->*field.member));
  }
  return setters;
}

struct UploadField {
  const char* name;
  uint64_t BlobLimits::*member;
};
constexpr UploadField kUploadFields[] = {
    {"bytes_max", &BlobLimits::bytes_max},
    {"blobs_max", &BlobLimits::blobs_max},
    {"client_bytes_max", &BlobLimits::client_bytes_max},
    {"client_blobs_max", &BlobLimits::client_blobs_max},
    {"client_unfinished_max", &BlobLimits::client_unfinished_max},
    {"blob_bytes_max", &BlobLimits::blob_bytes_max},
};

Setters UploadSetters(BlobLimits* limits) {
  Setters setters;
  for (const UploadField& field : kUploadFields) {
    setters[field.name] = Count(&(limits->*field.member));
  }
  return setters;
}

toml::table FormatUploads(const BlobLimits& limits) {
  toml::table table;
  for (const UploadField& field : kUploadFields) {
    table.insert(field.name, static_cast<int64_t>(limits.*field.member));
  }
  return table;
}

Setters QuotaSetters(ClientQuota* quota) {
  Setters setters;
  for (const QuotaField& field : ClientQuotaFields()) {
    setters[field.name] = Count(&(quota->*field.member));
  }
  return setters;
}

toml::table FormatQuota(const ClientQuota& quota) {
  toml::table table;
  for (const QuotaField& field : ClientQuotaFields()) {
    table.insert(field.name, static_cast<int64_t>(quota.*field.member));
  }
  return table;
}

toml::array FormatList(const std::vector<std::string>& texts) {
  toml::array list;
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

toml::table FormatClients(const Config& c) {
  toml::table table{{"admins", FormatList(c.client_admins)}};
  if (c.client_owners.has_value()) table.insert("owners", FormatList(*c.client_owners));
  return table;
}

toml::table FormatOutput(const OutputLimits& limits) {
  toml::table table;
  for (const OutputField& field : OutputFields()) {
    table.insert(field.name, static_cast<int64_t>(limits.*field.member));
  }
  return table;
}

Setters SettersOf(Config* c) {
  return {
      {"state_dir", Text(&c->state_dir)},
      {"runtime_dir", Text(&c->runtime_dir)},
      {"socket", Text(&c->socket)},
      {"socket_group", Text(&c->socket_group)},
      {"reflection", Flag(&c->reflection)},
      {"landlock", Word(&ParseLandlockNeed, &c->landlock_required)},
      {"on_shutdown", Word(&ParseOnShutdown, &c->on_shutdown)},
      {"cgroup_parent", Text(&c->cgroup_parent)},
      {"import_roots", Texts(&c->import_roots)},
      {"disk_stock", Count(&c->disk_stock)},
      {"store", Section({{"bytes_max", Count(&c->store_bytes_max)},
                         {"inodes_max", Count(&c->store_inodes_max)}})},
      {"uploads", Section(UploadSetters(&c->uploads))},
      {"log", Section({{"format", Word(&ParseLogFormat, &c->log_format)},
                       {"level", Word(&ParseLogLevel, &c->log_level)}})},
      {"tcp", Section({{"listen", Text(&c->tcp_listen)},
                       {"certificate", Text(&c->tcp_certificate)},
                       {"key", Text(&c->tcp_key)},
                       {"client_ca", Text(&c->tcp_client_ca)}})},
      {"clients",
       Section({{"admins", TextList(&c->client_admins)}, {"owners", Texts(&c->client_owners)}})},
      {"client_quota", Section(QuotaSetters(&c->client_quota))},
      {"audit", Section({{"file", OptionalText(&c->audit_file)},
                         {"bytes_max", Count(&c->audit_bytes_max)},
                         {"files_max", Count(&c->audit_files_max)},
                         {"arguments", Flag(&c->audit_arguments)}})},
      {"egress", Section({{"name_servers", TextList(&c->egress_name_servers)},
                          {"private_ranges", TextList(&c->egress_private_ranges)},
                          {"origin_roots", Text(&c->egress_origin_roots)},
                          {"all_ports", Flag(&c->egress_all_ports)},
                          {"connections_max", Count(&c->egress_connections_max)}})},
      {"metrics", Section({{"listen", Text(&c->metrics_listen)}})},
      {"seccomp", Section({{"tiers", Texts(&c->seccomp_tiers)},
                           {"default", Text(&c->seccomp_default)},
                           {"explain", Flag(&c->explain_refusals)}})},
      {"id_ranges",
       Section({{"first", Count(&c->id_range_first)}, {"count", Count(&c->id_range_count)}})},
      {"limits", Section({{"sandboxes_max", Count(&c->sandboxes_max)},
                          {"creates_at_once_max", Count(&c->creates_at_once_max)},
                          {"connections_max", Count(&c->connections_max)},
                          {"output_memory_percent", Count(&c->output_memory_percent)}})},
      {"exec_output", Section(OutputSetters(&c->output.defaults))},
      {"exec_output_max", Section(OutputSetters(&c->output.most))},
      {"sandbox_defaults", Section(LimitSetters(&c->sandbox_defaults))},
      {"labels", Labels(&c->labels)},
  };
}

}  // namespace

absl::Status ApplyToml(absl::string_view text, absl::string_view file_name, Config* config) {
  const std::string file = EscapeForPeople(file_name, 200);
  toml::table table;
  try {  // Debian's library is built to report by exceptions
    table = toml::parse(std::string_view(text.data(), text.size()));
  } catch (const toml::parse_error& error) {
    return Refuse(absl::StrCat(file, ":", error.source().begin.line),
                  EscapeForPeople({error.description().data(), error.description().size()}, 300));
  }
  return Apply(table, SettersOf(config), {file, ""});
}

static toml::array TierList(const Config& c) {
  toml::array tiers;
  for (const std::string& tier : c.seccomp_tiers.value_or(std::vector<std::string>{})) {
    tiers.push_back(tier);
  }
  return tiers;
}

std::string FormatConfig(const Config& c) {
  toml::array roots;
  for (const std::string& root : c.import_roots.value_or(std::vector<std::string>{})) {
    roots.push_back(root);
  }
  toml::table defaults;
  for (const LimitRange& range : SandboxLimitRanges()) {
    defaults.insert(range.field, static_cast<int64_t>(c.sandbox_defaults.*range.member));
  }
  toml::table labels;
  for (const auto& [key, value] : c.labels) labels.insert(key, value);
  const toml::table table{
      {"state_dir", c.state_dir},
      {"runtime_dir", c.runtime_dir},
      {"socket", c.socket},
      {"socket_group", c.socket_group},
      {"reflection", c.reflection},
      {"landlock", c.landlock_required ? "required" : "optional"},
      {"on_shutdown", OnShutdownName(c.on_shutdown)},
      {"cgroup_parent", c.cgroup_parent},
      {"import_roots", std::move(roots)},
      {"disk_stock", static_cast<int64_t>(c.disk_stock)},
      {"store", toml::table{{"bytes_max", static_cast<int64_t>(c.store_bytes_max)},
                            {"inodes_max", static_cast<int64_t>(c.store_inodes_max)}}},
      {"uploads", FormatUploads(c.uploads)},
      {"log",
       toml::table{{"format", LogFormatName(c.log_format)}, {"level", LogLevelName(c.log_level)}}},
      {"tcp", toml::table{{"listen", c.tcp_listen},
                          {"certificate", c.tcp_certificate},
                          {"key", c.tcp_key},
                          {"client_ca", c.tcp_client_ca}}},
      {"clients", FormatClients(c)},
      {"client_quota", FormatQuota(c.client_quota)},
      {"audit", toml::table{{"file", c.audit_file.value_or("")},
                            {"bytes_max", static_cast<int64_t>(c.audit_bytes_max)},
                            {"files_max", static_cast<int64_t>(c.audit_files_max)},
                            {"arguments", c.audit_arguments}}},
      {"egress", toml::table{{"name_servers", FormatList(c.egress_name_servers)},
                             {"private_ranges", FormatList(c.egress_private_ranges)},
                             {"origin_roots", c.egress_origin_roots},
                             {"all_ports", c.egress_all_ports},
                             {"connections_max", static_cast<int64_t>(c.egress_connections_max)}}},
      {"metrics", toml::table{{"listen", c.metrics_listen}}},
      {"seccomp", toml::table{{"tiers", TierList(c)},
                              {"default", c.seccomp_default},
                              {"explain", c.explain_refusals}}},
      {"id_ranges", toml::table{{"first", static_cast<int64_t>(c.id_range_first)},
                                {"count", static_cast<int64_t>(c.id_range_count)}}},
      {"limits",
       toml::table{{"sandboxes_max", static_cast<int64_t>(c.sandboxes_max)},
                   {"creates_at_once_max", static_cast<int64_t>(c.creates_at_once_max)},
                   {"connections_max", static_cast<int64_t>(c.connections_max)},
                   {"output_memory_percent", static_cast<int64_t>(c.output_memory_percent)}}},
      {"exec_output", FormatOutput(c.output.defaults)},
      {"exec_output_max", FormatOutput(c.output.most)},
      {"sandbox_defaults", std::move(defaults)},
      {"labels", std::move(labels)},
  };
  std::ostringstream out;
  out << table << "\n";
  return out.str();
}

}  // namespace glovebox
