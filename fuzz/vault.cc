// The memory that an earlier ipsecd left with the service manager. An input starts with an octet: 0, then the number of
// octets of the records in eight, little endian, the records, the numbers; otherwise the message in a record. A vault
// that was taken over must continue to work: it holds SAs, forgets them, and is taken over again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "engine/testing.h"
#include "must.h"
#include "pfkey/codec.h"
#include "vault_parts.h"

using namespace ipseckey;

namespace {

using namespace ipsecd;

constexpr std::size_t kMost = 1 << 20;

Instant now() { return engine::testing::at(5000); }

// The number of SAs left in the vault, when one has been added and removed again.
std::size_t go_on(Vault& vault) {
  engine::Options options;
  options.keeper = &vault;
  engine::Engine engine(std::move(options));
  std::size_t strange = 0;
  vault.each([&](engine::Kept&& kept) { strange += !engine.restore(std::move(kept), now()); });
  const std::size_t held = engine.size();
  const auto nobody = [](engine::Audience, pfkey::Message&&) {};
  const engine::SaId id{pfkey::SaType::esp, 0xfffffffe, *parse_address("192.0.2.2")};
  engine.handle(engine::testing::add_esp(id.spi), now(), nobody);
  vault.numbers_of(id)->number = 1;
  engine.handle(engine::testing::request(pfkey::Type::del, pfkey::SaType::esp, id.spi), now(), nobody);
  return held;
}

void records(Reader& in) {
  std::uint64_t size = 0;
  in.host(size);
  const Bytes first = in.take(std::min<std::uint64_t>(size, in.remaining()));
  const Bytes second = in.take(in.remaining());
  Vault::Parts parts = parts_of(first, second);
  Vault::Parts later = copies(parts);
  auto vault = Vault::take_over(std::move(parts), [](std::string_view) {});
  if (!vault) return;
  const std::size_t held = go_on(**vault);
  vault->reset();
  auto again = Vault::take_over(std::move(later), [](std::string_view) {});
  MUST(again);
  MUST(go_on(**again) <= held + 1);
}

void message(Bytes wire) {
  auto m = pfkey::decode(wire);
  if (!m || !m->sa || !m->dst) return;
  engine::Engine engine{engine::Options()};
  engine.restore({.sa = std::move(*m), .serial = 1, .added = now(), .idle_from = now(), .first = {}, .last = {}},
                 now());
  engine.expire(engine::testing::at(1'000'000), [](engine::Audience, pfkey::Message&&) {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > kMost) return 0;
  Reader in(std::as_bytes(std::span(data, size)));
  std::uint8_t what = 0;
  in.host(what);
  if (what == 0) {
    records(in);
  } else {
    message(in.take(in.remaining()));
  }
  return 0;
}
