#pragma once
/// Messages as text: the one printer behind get, dump, monitor and -v.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/instant.h"
#include "base/net.h"
#include "base/secret_text.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

struct PrintOptions {
  bool paranoid = false;   ///< -p: an X for each digit of a key.
  bool verbose = false;    ///< -v: raw numbers beside human units: bytes, seconds, seconds since 1970.
  bool numeric = false;    ///< -n: neither of the two look-ups below.
  bool keys = true;        ///< Off: a key is named with its length, its digits are left out, even as X.
  bool idles = false;      ///< The SADB takes half of the hard limit after the add for an idle limit that is not given.
  bool timestamp = false;  ///< print_message() begins with `now`, if that is given.
  /// An address's host name; nullptr or nullopt: none. Its answer may come from a foreign server: it is escaped.
  std::function<std::optional<std::string>(const Address&)> host_name;
  /// An IP protocol's name; nullptr or nullopt: none.
  std::function<std::optional<std::string>(std::uint8_t)> protocol_name;
  std::optional<Instant> now;  ///< For ages and remaining times; they are left out without it.
};

/// One SA of a GET or DUMP reply: a line "esp spi 0x2112  192.0.2.1 -> 192.0.2.2  mature" and the fields that are set,
/// one indented line each. Appends to out, ends with a newline. With keys on and paranoid off the caller wipes out.
void print_sa(const Message& m, const PrintOptions& options, SecretText& out);

/// Any message: a line of summary (type, SA, seq, pid), the refusal if it reports one, then the same lines as
/// print_sa() and those of every other extension. A gap notice (notices.h) is one line. Appends to out like it.
void print_message(const Message& m, const PrintOptions& options, SecretText& out);

}  // namespace ipseckey::pfkey
