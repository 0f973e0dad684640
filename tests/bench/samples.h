// Durations of one measured thing, and what is said of them.
#ifndef GLOVEBOX_TESTS_BENCH_SAMPLES_H_
#define GLOVEBOX_TESTS_BENCH_SAMPLES_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace glovebox::bench {

// CLOCK_MONOTONIC in microseconds.
double NowUs();

class Samples {
 public:
  void Add(double value) { values_.push_back(value); }
  size_t size() const { return values_.size(); }

  // The value below which `part` (0 to 1) of the samples lie, by the nearest rank; 0 without
  // samples.
  double Percentile(double part) const;
  double Median() const { return Percentile(0.5); }

 private:
  std::vector<double> values_;
};

// What one run of a case gave: name of the metric to its value, in microseconds unless the name
// ends in another unit.
using Measurement = std::map<std::string, double>;

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_SAMPLES_H_
