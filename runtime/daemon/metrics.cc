#include "daemon/metrics.h"

#include <fcntl.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "egress/refusal_words.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

// statm: size resident shared ... in pages (proc(5)).
double ResidentBytes() {
  auto statm = ReadFileAt(AT_FDCWD, "/proc/self/statm", 4096);
  if (!statm.ok()) return 0;
  const std::vector<std::string> words = absl::StrSplit(*statm, ' ');
  uint64_t pages = 0;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &pages)) return 0;
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double Total(uint64_t value) { return static_cast<double>(value); }

prometheus::MetricFamily Family(const char* name, const char* help, prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

prometheus::MetricFamily Single(const char* name, const char* help, prometheus::MetricType type,
                                double value) {
  prometheus::MetricFamily family = Family(name, help, type);
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(metric);
  return family;
}

void AddLabelled(const char* label, absl::string_view of, uint64_t value,
                 prometheus::MetricFamily* family) {
  prometheus::ClientMetric metric;
  metric.label.push_back({label, std::string(of)});
  metric.counter.value = Total(value);
  family->metric.push_back(std::move(metric));
}

// Of sandboxes with a way out.
std::vector<prometheus::MetricFamily> ConnectionFamilies(const ConnectionCounts& counts) {
  using Type = prometheus::MetricType;
  prometheus::MetricFamily refused = Family(
      "glovebox_connections_refused_total",
      "Connections and names that were refused to sandboxes, or cut, by reason; without those "
      "that were not told",
      Type::Counter);
  for (const auto& [denial, count] : counts.refused) {
    AddLabelled("reason", DenialWord(denial), count, &refused);
  }
  prometheus::MetricFamily bytes =
      Family("glovebox_connection_bytes_total", "Bytes of sandboxes' connections that have ended",
             Type::Counter);
  AddLabelled("direction", "sent", counts.sent_bytes, &bytes);
  AddLabelled("direction", "received", counts.received_bytes, &bytes);
  return {Single("glovebox_connections_opened_total", "Connections of sandboxes to permitted hosts",
                 Type::Counter, Total(counts.opened)),
          std::move(refused), std::move(bytes),
          Single("glovebox_connection_records_dropped_total",
                 "Records of connections and refusals beyond the rate that is told", Type::Counter,
                 Total(counts.untold))};
}

class LiveFigures final : public prometheus::Collectable {
 public:
  explicit LiveFigures(std::function<LiveCounts()> counts) : counts_(std::move(counts)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    using Type = prometheus::MetricType;
    const LiveCounts live = counts_();
    const ManagerCounts& counts = live.sandboxes;
    std::vector<prometheus::MetricFamily> families = {
        Single("glovebox_sandboxes", "Sandboxes now", Type::Gauge, Total(counts.sandboxes)),
        Single("glovebox_sandboxes_created_total", "Sandboxes made", Type::Counter,
               Total(counts.created_total)),
        Single("glovebox_sandboxes_create_failed_total", "Sandboxes that could not be made",
               Type::Counter, Total(counts.create_failed_total)),
        Single("glovebox_sandboxes_deleted_total", "Sandboxes deleted", Type::Counter,
               Total(counts.deleted_total)),
        Single("glovebox_daemon_resident_bytes", "Resident memory of gloveboxd", Type::Gauge,
               ResidentBytes()),
    };
    for (prometheus::MetricFamily& family : ConnectionFamilies(live.connections)) {
      families.push_back(std::move(family));
    }
    return families;
  }

 private:
  const std::function<LiveCounts()> counts_;
};

}  // namespace

struct Metrics::State {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::shared_ptr<LiveFigures> live;
  prometheus::Family<prometheus::Counter>* calls = nullptr;
  prometheus::Family<prometheus::Counter>* failures = nullptr;
  prometheus::Counter* execs = nullptr;
  prometheus::Histogram* create_seconds = nullptr;
  std::unique_ptr<prometheus::Exposer> exposer;  // last: it serves all of the above
};

Metrics::Metrics(std::unique_ptr<State> state) : state_(std::move(state)) {}
Metrics::~Metrics() = default;

absl::StatusOr<std::unique_ptr<Metrics>> Metrics::Serve(const std::string& listen,
                                                        std::function<LiveCounts()> counts) {
  auto state = std::make_unique<State>();
  prometheus::Registry& registry = *state->registry;
  state->live = std::make_shared<LiveFigures>(std::move(counts));
  state->calls = &prometheus::BuildCounter()
                      .Name("glovebox_rpcs_total")
                      .Help("Calls ended, by method and code")
                      .Register(registry);
  state->failures = &prometheus::BuildCounter()
                         .Name("glovebox_rpc_failures_total")
                         .Help("Calls failed, by reason")
                         .Register(registry);
  state->execs = &prometheus::BuildCounter()
                      .Name("glovebox_execs_total")
                      .Help("Commands started")
                      .Register(registry)
                      .Add({});
  state->create_seconds =
      &prometheus::BuildHistogram()
           .Name("glovebox_create_seconds")
           .Help("Time that successful CreateSandbox calls took")
           .Register(registry)
           .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.002, 0.004, 0.008, 0.016,
                                                            0.032, 0.064, 0.128, 0.5, 1, 5, 30});
  try {  // civetweb's wrapper throws when it cannot listen
    state->exposer = std::make_unique<prometheus::Exposer>(listen, 1);
  } catch (const std::exception& error) {
    return DetailedError(absl::StatusCode::kUnavailable,
                         absl::StrCat("metrics cannot listen on ", listen, ": ", error.what()),
                         {"CONFIG_INVALID", {}});
  }
  state->exposer->RegisterCollectable(state->registry);
  state->exposer->RegisterCollectable(state->live);
  return std::unique_ptr<Metrics>(new Metrics(std::move(state)));
}

void Metrics::OnRpcEnd(const RpcEnd& end) {
  state_->calls
      ->Add({{"method", end.method}, {"code", absl::StatusCodeToString(end.status.code())}})
      .Increment();
  if (!end.status.ok()) {
    state_->failures->Add({{"reason", end.reason}}).Increment();
    return;
  }
  if (end.method == "SandboxService/CreateSandbox") {
    state_->create_seconds->Observe(static_cast<double>(end.duration_ns) * 1e-9);
  }
  if (end.method == "ExecService/RunExec" || end.method == "ExecService/StartExec") {
    state_->execs->Increment();
  }
}

}  // namespace glovebox
