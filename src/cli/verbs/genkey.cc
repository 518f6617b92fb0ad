// `genkey`: fresh keys.
#include <absl/functional/function_ref.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/hex.h"
#include "base/secret.h"
#include "cli/verbs/table.h"
#include "lang/keywords.h"
#include "pfkey/weak_keys.h"

namespace ipseckey::cli::verbs {
namespace {

// DES wants odd parity, and has weak keys.
bool fit_for_use(const pfkey::Algorithm& algorithm, MutableBytes key) {
  if (!algorithm.des) return !all_zero(key);
  pfkey::correct_parity(key);
  return !pfkey::weak_key(algorithm, key);
}

/// A line that may hold keys, and is wiped.
class Line {
 public:
  Line() { text_.reserve(kMost); }

  void put(std::string_view words) { text_ += words; }

  Result<void> put_key(const pfkey::Algorithm& algorithm, std::uint16_t bits, bool paranoid, const Random& random) {
    Secret key((bits + algorithm.salt_bits + 7u) / 8u);
    do {
      if (auto got = random(key.bytes()); !got) return got;
    } while (!fit_for_use(algorithm, key.bytes()));
    if (paranoid) {
      text_.append(2 * key.size(), 'X');
    } else {
      append_hex(text_, key.bytes());
    }
    return {};
  }

  std::string_view text() const { return text_; }

 private:
  static constexpr std::size_t kMost = 4 * Secret::kMaxSize + 128;  // Digits of two keys, and the words beside them.

  SecretText text_;
};

using Out = absl::FunctionRef<void(std::string_view)>;

// A line with a key of `bits` bits, which fit the algorithm, and behind it the salt that the algorithm wants: what
// authkey and encrkey take. Never one that the algorithm calls weak. paranoid: an X for each digit.
Result<void> generate_key(const pfkey::Algorithm& algorithm, std::uint16_t bits, bool paranoid, const Random& random,
                          Out out) {
  Line line;
  if (auto done = line.put_key(algorithm, bits, paranoid, random); !done) return done;
  line.put("\n");
  out(line.text());
  return {};
}

// A line with the words of an SA that has the algorithms that are recommended for manual keys and a fresh key for each:
// "encr_alg ... encrkey ... auth_alg ... authkey ...".
Result<void> generate_words(bool paranoid, const Random& random, Out out) {
  const pfkey::Algorithm& cipher = pfkey::recommended(pfkey::AlgorithmKind::encrypt);
  const pfkey::Algorithm& mac = pfkey::recommended(pfkey::AlgorithmKind::auth);
  const auto word = [](const lang::Slot& slot) { return lang::keyword_for(slot).name(); };
  Line line;
  line.put(fmt::format("{} {} {} ", word(&lang::SaSpec::encrypt), cipher.name(), word(&lang::SaSpec::encrypt_key)));
  if (auto done = line.put_key(cipher, cipher.max_bits, paranoid, random); !done) return done;
  line.put(fmt::format(" {} {} {} ", word(&lang::SaSpec::auth), mac.name(), word(&lang::SaSpec::auth_key)));
  if (auto done = line.put_key(mac, mac.max_bits, paranoid, random); !done) return done;
  line.put("\n");
  out(line.text());
  return {};
}

}  // namespace

Status genkey(Runner& runner, const lang::Command& command) {
  Session& session = runner.session();
  const bool paranoid = session.settings().paranoid;
  const Random& random = session.world().random;
  const auto out = [&](std::string_view line) { session.console().out(line); };
  const auto made = command.algorithm ? generate_key(*command.algorithm, command.bits, paranoid, random, out)
                                      : generate_words(paranoid, random, out);
  if (made) return Status::ok;
  session.console().complain(made.error().text);
  return Status::failed;
}

}  // namespace ipseckey::cli::verbs
