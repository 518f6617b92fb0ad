#pragma once
/// Reads the files of tests/vectors.
#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/crypto.h"

namespace ipseckey::crypto::testing {

using Octets = std::vector<std::byte>;

/// OpenSSL first: the others must do the same.
inline constexpr std::array kWays = {Keyed::By::openssl, Keyed::By::fastest, Keyed::By::lanes};

inline Octets octets(const std::string& hex) {
  Octets out;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ') continue;
    const int digit = text::hex_digit(c);
    if (high >= 0) out.push_back(static_cast<std::byte>(high * 16 + digit));
    high = high >= 0 ? -1 : digit;
  }
  return out;
}

/// One block of a file: words and their values.
struct Vector {
  std::map<std::string, std::string> values;
  bool has(const std::string& word) const { return values.contains(word); }
  const std::string& text(const std::string& word) const { return values.at(word); }
  Octets bytes(const std::string& word) const { return has(word) ? octets(values.at(word)) : Octets{}; }
  std::uint32_t number(const std::string& word) const {
    std::uint32_t v = 0;
    Reader(bytes(word)).net(v);
    return v;
  }
};

/// The cipher for an ESP block with this key; `high`: with 64-bit sequence numbers.
inline Suite suite_of(const Vector& v, const Secret& key) {
  return {.encrypt = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, v.text("encrypt")),
          .auth = nullptr,
          .encrypt_key = &key,
          .auth_key = nullptr,
          .esn = v.has("high")};
}

inline std::vector<Vector> read_vectors(const std::string& file) {
  std::ifstream in(std::string(VECTORS_DIR "/") + file);
  std::vector<Vector> all(1);
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find(" =");
    if (equals == std::string::npos) {
      if (!all.back().values.empty()) all.emplace_back();
      continue;
    }
    all.back().values[line.substr(0, equals)] = line.size() > equals + 3 ? line.substr(equals + 3) : "";
  }
  if (all.back().values.empty()) all.pop_back();
  return all;
}

/// Whether a batch of so many packets of an ESP block is sealed and opened as published.
inline bool seals_and_opens(const Vector& v, Keyed::By by, std::size_t batch) {
  const Secret key{Bytes(v.bytes("key"))};
  const auto keyed = Keyed::make(suite_of(v, key), Keyed::Way::both, by);
  if (!keyed) return false;
  const auto packet = [&](const char* text, const char* icv) {
    Octets all = v.bytes("head");
    for (const Octets& part : {v.bytes(text), v.bytes(icv)}) all.insert(all.end(), part.begin(), part.end());
    return all;
  };
  const Octets plain = packet("text", "icv"), sealed = packet("sealed", "icv");
  const std::size_t icv = v.bytes("icv").size();
  Crypto crypto;
  std::vector<Octets> packets(batch, plain);
  std::vector<Job> jobs;
  for (Octets& p : packets) {
    std::ranges::fill(std::span(p).last(icv), std::byte{0});
    jobs.push_back({.keyed = keyed.get(),
                    .esp = MutableBytes(p).first(p.size() - icv),
                    .sequence_high = v.number("high"),
                    .icv = MutableBytes(p).last(icv)});
  }
  const auto all_are = [&](const Octets& expected) {
    return std::ranges::all_of(jobs, &Job::ok) &&
           std::ranges::all_of(packets, [&](const Octets& p) { return p == expected; });
  };
  crypto.seal(jobs);
  if (!all_are(sealed)) return false;
  crypto.open(jobs);
  return all_are(plain);
}

}  // namespace ipseckey::crypto::testing
