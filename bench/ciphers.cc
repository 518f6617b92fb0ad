// ciphers [--json] [--suite TEXT] [SECONDS]: what Crypto::seal() and Crypto::open() cost for a batch of packets of each
// suite that the multi-buffer library has, against that library called directly and OpenSSL's EVP called directly.
// 1. suites() goes through the table of algorithms; each suite has Ours, Library and Evp, which must write the same.
// 2. Each way works on its own packets in place; opening needs them sealed again, so all ways copy them first. The time
//    of the copy is measured, too, and subtracted.
// 3. The ways take turns; of many rounds the medians count, of processor time and of the ratio.
// 4. report() prints a table, or one JSON object in each line.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "cipher_packets.h"
#include "cipher_peers.h"
#include "crypto/crypto.h"

namespace ipseckey::bench {
namespace {

using crypto::Crypto;
using crypto::Job;
using crypto::Keyed;

constexpr std::array<std::size_t, 3> kSizes = {64, 512, 1400};
constexpr std::array<std::size_t, 4> kBatches = {1, 8, 16, 32};
constexpr double kGoal = 0.9;

double cpu_ns() {
  std::timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// AES-CBC and NULL with every MAC, other ciphers with HMAC-SHA-256; combined modes with their longest ICV.
std::vector<SuiteRow> suites() {
  std::vector<SuiteRow> all;
  const auto* const sha256 = pfkey::find_algorithm(AlgorithmKind::auth, "hmac-sha256");
  for (const Algorithm& c : pfkey::algorithms()) {
    if (c.kind != AlgorithmKind::encrypt || (c.batch == 0 && c.mode != Mode::null)) continue;
    if (c.combined()) {
      if (c.icv == 16) all.push_back({&c, nullptr, c.min_bits});
      continue;
    }
    const bool every = c.mode == Mode::null || (c.mode == Mode::cbc && !c.des);
    for (const Algorithm& m : pfkey::algorithms())
      if (m.kind == AlgorithmKind::auth && (every || &m == sha256)) all.push_back({&c, &m, c.min_bits});
    if (c.mode == Mode::cbc && !c.des) all.push_back({&c, sha256, 256});
  }
  return all;
}

// ---- ours

class Ours {
 public:
  Ours(const SuiteRow& row, const Keys& keys)
      : keyed_(Keyed::make({.encrypt = row.cipher,
                            .auth = row.mac,
                            .encrypt_key = row.cipher->takes_key() ? &keys.encrypt : nullptr,
                            .auth_key = row.mac ? &keys.auth : nullptr},
                           Keyed::Way::both)) {}
  /// As the packet path has them.
  void prepare(Packets& p) {
    for (std::size_t i = 0; i < kMost; ++i)
      jobs_[i] = {.keyed = keyed_.get(),
                  .esp = {p.esp(i), p.front() + p.text_size()},
                  .sequence_high = 0,
                  .icv = {p.icv(i), p.icv_size()},
                  .ok = false};
  }
  void run(Packets&, std::size_t n, bool seal) {
    const std::span<Job> jobs = std::span(jobs_).first(n);
    seal ? crypto_.seal(jobs) : crypto_.open(jobs);
    if (!jobs[0].ok || !jobs[n - 1].ok) std::abort();
  }

 private:
  std::unique_ptr<Keyed> keyed_;
  Crypto crypto_;
  std::array<Job, kMost> jobs_;
};

// ---- measuring

struct Options {
  bool json = false;
  std::string_view suite;  // Only suites whose name contains it.
  double seconds = 0.05;   // For one figure.
};

// Nanoseconds for a packet, by each way.
struct Figures {
  double ours = 0, library = 0, evp = 0, share = 0;
};

template <class Run>
double once(std::size_t packets, std::size_t n, Run run) {
  const std::size_t calls = std::max<std::size_t>(1, packets / n);
  const double begin = cpu_ns();
  for (std::size_t i = 0; i < calls; ++i) run();
  return (cpu_ns() - begin) / static_cast<double>(calls * n);
}

class Trial {
 public:
  Trial(const SuiteRow& row, std::size_t size, bool seal)
      : keys_(row),
        seal_(seal),
        ours_(row, keys_),
        library_(row, keys_),
        evp_(row, keys_),
        for_ours_(row, size),
        for_library_(row, size),
        for_evp_(row, size) {
    ours_.prepare(for_ours_);
    ours_.run(for_ours_, kMost, true), library_.run(for_library_, kMost, true), evp_.run(for_evp_, kMost, true);
    if (!for_ours_.same(for_library_, kMost) || (evp_.writes_the_same() && !for_ours_.same(for_evp_, kMost))) {
      fmt::print(stderr, "ciphers: the ways of {} differ\n", row.name());
      std::exit(1);
    }
    if (!seal)
      for (Packets* const p : {&for_ours_, &for_library_, &for_evp_}) p->start_as(for_ours_);
  }

  Figures measure(std::size_t n, double seconds) {
    const double a_packet = once(4 * n, n, [&] { for_evp_.reset(n), evp_.run(for_evp_, n, seal_); });
    constexpr std::size_t kRounds = 15;
    const auto packets = static_cast<std::size_t>(seconds * 1e9 / (kRounds * 3) / a_packet) + 1;
    const auto take = [&](auto& way, Packets& p) {
      return once(packets, n, [&] { p.reset(n), way.run(p, n, seal_); });
    };
    std::array<std::array<double, kRounds>, 4> rounds;
    for (std::size_t round = 0; round < kRounds; ++round) {
      const double ours = take(ours_, for_ours_), library = take(library_, for_library_), evp = take(evp_, for_evp_);
      const double copy = once(packets, n, [&] { for_ours_.reset(n); });
      rounds[0][round] = ours - copy, rounds[1][round] = library - copy, rounds[2][round] = evp - copy;
      rounds[3][round] = (library - copy) / (ours - copy);
    }
    const auto median = [](auto& values) {
      std::ranges::nth_element(values, values.begin() + kRounds / 2);
      return values[kRounds / 2];
    };
    return {median(rounds[0]), median(rounds[1]), median(rounds[2]), median(rounds[3])};
  }

 private:
  Keys keys_;
  bool seal_;
  Ours ours_;
  Library library_;
  Evp evp_;
  Packets for_ours_, for_library_, for_evp_;
};

// Of bench/results.py.
void line(const std::string& what, double value, const char* unit, std::string_view more = "") {
  fmt::print("{{\"row\": \"ciphers\", \"what\": \"{}\", \"value\": {:.2f}, \"unit\": \"{}\"{}}}\n", what, value, unit,
             more);
}

void report(const SuiteRow& suite, bool seal, std::size_t size, std::size_t n, const Figures& f, const Options& o) {
  const bool goal = n == kMost;
  const char* const way = seal ? "seal" : "open";
  if (o.json && !goal) return;
  if (!o.json) {
    fmt::print("| {} | {} | {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.2f} | {} |\n", suite.name(), way, size, n, f.ours,
               f.library, f.evp, f.share, goal ? f.share >= kGoal ? "≥ 0.9" : "≥ 0.9 MISSED" : "");
  } else {
    const std::string what = fmt::format("{} {}, {} bytes", suite.name(), way, size);
    line(what, f.ours, "ns");
    line(what, f.library, "ns, libipsec-mb");
    line(what, f.evp, "ns, OpenSSL EVP");
    line(what, f.share, "speed, ratio", fmt::format(", \"goal\": \">= {}\", \"peer\": \"libipsec-mb\"", kGoal));
  }
  std::fflush(stdout);
}

int run(const Options& o) {
  if (o.json) fmt::print("{{\"of\": \"ciphers\", \"title\": \"ciphers, in batches of 32\"}}\n");
  if (!o.json)
    fmt::print(
        "| suite | | bytes | batch | ns a packet | libipsec-mb | OpenSSL EVP | of the library | goal |\n"
        "|---|---|---|---|---|---|---|---|---|\n");
  for (const SuiteRow& row : suites()) {
    if (row.name().find(o.suite) == std::string::npos) continue;
    for (const bool seal : {true, false})
      for (const std::size_t size : kSizes) {
        Trial trial(row, size, seal);
        for (const std::size_t n : kBatches) report(row, seal, size, n, trial.measure(n, o.seconds), o);
      }
  }
  return 0;
}

}  // namespace
}  // namespace ipseckey::bench

int main(int count, char** arguments) {
  ipseckey::bench::Options options;
  for (int i = 1; i < count; ++i) {
    if (std::string_view(arguments[i]) == "--json") {
      options.json = true;
    } else if (std::string_view(arguments[i]) == "--suite" && i + 1 < count) {
      options.suite = arguments[++i];
    } else {
      options.seconds = std::atof(arguments[i]);
    }
  }
  return ipseckey::bench::run(options);
}
