#pragma once
/// Reads the files of tests/vectors.
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/crypto.h"

namespace ipseckey::crypto::testing {

using Octets = std::vector<std::byte>;

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

}  // namespace ipseckey::crypto::testing
