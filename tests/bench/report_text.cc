#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/bench/report.h"

namespace glovebox::bench {
namespace {

using nlohmann::json;

std::string Number(double value) {
  char text[48];
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  (void)snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string Text(const json& object, const char* key) {
  const json& value = object[key];
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string Failures(const json& row) {
  int failures = row["failures"];
  return failures == 0 ? "" : absl::StrCat(" (failed: ", failures, ")");
}

std::string Verdict(const json& target) {
  if (target["met"].is_null()) return "not measured";
  return target["met"].get<bool>() ? "met" : "**missed**";
}

// Of what was measured several times; empty of what was not.
std::string Spread(const json& measured) {
  if (!measured.contains("low")) return "";
  return absl::StrCat(" (", Number(measured["low"]), " to ", Number(measured["high"]), ", ",
                      Text(measured, "samples"), " times)");
}

std::string Measured(const json& target) {
  if (target["measured"].is_null()) return "-";
  return Number(target["measured"]) + Text(target, "unit") + Spread(target);
}

std::string FormatMarkdownTable(const json& table) {
  std::string out = absl::StrCat("\n### ", Text(table, "title"), "\n\n");
  const std::string unit = table.value("unit", "");
  if (!unit.empty()) absl::StrAppend(&out, "× is the ratio to: ", unit, ".\n\n");
  absl::StrAppend(&out,
                  "| case | metric | median ms | p10 | p99 | × | n |\n"
                  "|---|---|---|---|---|---|---|\n");
  for (const json& row : table["rows"]) {
    double median = row["median_us"];
    double p10 = row["p10_us"];
    double p99 = row["p99_us"];
    double ratio = row["ratio"];
    absl::StrAppend(&out, "| ", Text(row, "case"), Failures(row), " | ", Text(row, "metric"),
                    " | ");
    absl::StrAppend(&out, Number(median / 1000), " | ", Number(p10 / 1000), " | ",
                    Number(p99 / 1000), " | ", ratio > 0 ? Number(ratio) : "-", " | ",
                    Text(row, "samples"), " |\n");
  }
  return out;
}

std::string FormatMethod(const json& document) {
  const json& machine = document["machine"];
  const json& method = document["method"];
  std::string out = absl::StrCat(
      "Taken ", Text(document, "date"), " on ", Text(machine, "cpus"), " CPUs (",
      Text(machine, "cpu"), "), ", Text(machine, "memory_mib"), " MiB, Linux ",
      Text(machine, "kernel"), ", ", Text(machine, "system"), ", cgroup ", Text(machine, "cgroup"),
      ". Load average at the start: ",
      machine.contains("load") ? Number(machine["load"]) : "not recorded; a shared, busy machine",
      ".\n\nPeers:");
  for (const auto& [name, version] : document["peers"].items()) {
    absl::StrAppend(&out, " ", name, " (", version.get<std::string>(), ")");
  }
  absl::StrAppend(
      &out, ".\n\nEach table is one run: its cases in turn, A B C A B C, ", Text(method, "rounds"),
      " rounds after ", Text(method, "warm_up_rounds"), " to warm up, ", Text(method, "gap_ms"),
      " ms idle before each sample. × is the median's ratio to `vfork+exec` of a static "
      "`true` in the same table; milliseconds of different tables do not compare.\n");
  return out;
}

constexpr char kMetrics[] = R"(
`first_byte`: from the request (or `execve`) until the client has a byte of the program's output.
`end`: until the exit is known and, in the first table, everything of the sandbox is gone.
`created`, `answered`: until that call is answered. `gone`: until no cgroup of the sandbox
is left (its disk's file is removed in the background).
Glovebox is asked over gRPC by a client that keeps its channel and runs `hello`, a static program
of one `write`, in the same root as the peers; every sandbox has its own disk, id range, cgroups
and filter. The floor has seven namespaces and a new root, nothing else.
`crun exec`, `runc exec` and `podman exec` are whole commands, as their users run them.
)";

constexpr char kRemains[] = R"(
## What is still missed, and why

A command's latency, as traced (strace) in both processes on two CPUs, is a chain of wake-ups, each
some tens of microseconds after an idle moment: gRPC's poller, a thread for calls that may block,
init, the command, init again when its pipe has data, the daemon's event loop, the client. Beside
them, the greatest parts first:

- The filter with a listener that every command gets, so that what it was refused is told: 64 µs of
  CPU to check, compile and install 263 instructions (`bench_syscalls`). One for all commands of a
  sandbox would save it, at the price of finding the command behind each told call.
- The command's own cgroup, made and handed to the sandbox's root: five calls on the cgroup tree.
  One that is prepared before the request would save most of it; none may be used twice.
- The first message, with the exec's id, goes out before there is output, so that a client that
  loses its connection knows what to ask for; gRPC's answer to it wakes the daemon once more.
- Init reads /etc/passwd and /etc/group for every command, because a command may change them.

Records of a command are not on that way: they are written together, up to 20 ms later, unless
somebody waits for them. That alone took the first byte's ratio to gRPC echo + vfork+exec from
2.27 (2.21 to 2.30) to 2.12 (2.01 to 2.14) in three pairs of runs, in turn, on a busy machine.

Creation pays for what the floor leaves out: an own disk (loop device, ext4), an id-mapped overlay,
cgroups, two filters, Landlock, and a committed record before the answer. A pool of prepared
sandboxes would take it off the caller's way.

Beside hostile neighbours an exec waits for its turn on the CPU: each sandbox has an equal share,
and with seven that compute all the time each wake-up of the chain may wait for time slices of them.
)";

}  // namespace

std::string FormatTables(const json& document) {
  std::string out;
  char line[256];
  for (const json& table : document["tables"]) {
    (void)snprintf(line, sizeof line, "\n%-48.48s %-10s %9s %9s %9s %7s\n",
                   Text(table, "title").c_str(), "metric", "median ms", "p10", "p99", "x");
    out += line;
    for (const json& row : table["rows"]) {
      (void)snprintf(line, sizeof line, "  %-46s %-10s %9.3f %9.3f %9.3f %7.2f%s\n",
                     Text(row, "case").c_str(), Text(row, "metric").c_str(),
                     row["median_us"].get<double>() / 1000, row["p10_us"].get<double>() / 1000,
                     row["p99_us"].get<double>() / 1000, row["ratio"].get<double>(),
                     Failures(row).c_str());
      out += line;
    }
  }
  out += "\n";
  for (const json& figure : document["figures"]) {
    (void)snprintf(line, sizeof line, "%-70s %10s %s%s\n", Text(figure, "what").c_str(),
                   Number(figure["value"]).c_str(), Text(figure, "unit").c_str(),
                   Spread(figure).c_str());
    out += line;
  }
  out += "\n";
  for (const json& target : document["targets"]) {
    (void)snprintf(line, sizeof line, "%-72s %-12s %-12s %s\n", Text(target, "what").c_str(),
                   Text(target, "target").c_str(), Measured(target).c_str(),
                   Verdict(target).c_str());
    out += line;
  }
  for (const json& note : document["notes"]) {
    absl::StrAppend(&out, "note: ", note.get<std::string>(), "\n");
  }
  return out;
}

std::string FormatDocument(const json& document) {
  std::string out = "<!-- Generated by tools/bench --docs; do not edit. -->\n# Benchmarks\n\n";
  absl::StrAppend(&out, FormatMethod(document), kMetrics,
                  "\n## Targets\n\n| what | target | measured | |\n|---|---|---|---|\n");
  for (const json& target : document["targets"]) {
    absl::StrAppend(&out, "| ", Text(target, "what"), " | ", Text(target, "target"), " | ",
                    Measured(target), " | ", Verdict(target), " |\n");
  }
  absl::StrAppend(&out, "\n## Tables\n");
  for (const json& table : document["tables"]) absl::StrAppend(&out, FormatMarkdownTable(table));
  absl::StrAppend(&out, "\n## Load and memory\n\n| what | value |\n|---|---|\n");
  for (const json& figure : document["figures"]) {
    absl::StrAppend(&out, "| ", Text(figure, "what"), " | ", Number(figure["value"]), " ",
                    Text(figure, "unit"), Spread(figure), " |\n");
  }
  if (!document["notes"].empty()) absl::StrAppend(&out, "\n## Notes\n\n");
  for (const json& note : document["notes"]) {
    absl::StrAppend(&out, "- ", note.get<std::string>(), "\n");
  }
  absl::StrAppend(&out, kRemains);
  absl::StrAppend(&out, "\nTo take them again: `tools/bench --docs`.\n");
  return out;
}

}  // namespace glovebox::bench
