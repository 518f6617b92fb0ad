#pragma once
/// PF_KEY requests that are composed field by field from the input of a fuzz target.
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "engine/testing.h"
#include "pfkey/test_samples.h"
#include "script.h"

namespace ipseckey {

namespace requests {

using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;

inline Message typed(Type type, std::uint32_t spi) { return request(type, SaType::esp, spi); }

inline Message inbound(std::uint32_t spi) {
  Message m = engine::testing::reversed(engine::testing::add_esp(spi));
  m.sa->flags = pfkey::kFlagInbound;
  return m;
}

/// The requests that are valid, or nearly, to be changed.
inline Message pattern(unsigned which, std::uint32_t spi) {
  using Make = Message (*)(std::uint32_t);
  static constexpr std::array kPatterns = std::to_array<Make>({
      engine::testing::add_esp,
      engine::testing::add_ah,
      inbound,
      [](std::uint32_t s) { return typed(Type::update, s); },
      [](std::uint32_t s) { return typed(Type::get, s); },
      [](std::uint32_t s) { return typed(Type::del, s); },
      [](std::uint32_t) { return request(Type::flush, SaType::unspec); },
      [](std::uint32_t) { return request(Type::dump, SaType::unspec); },
      [](std::uint32_t s) { return engine::testing::getspi(s, s + 16); },
      [](std::uint32_t) { return request(Type::reg, SaType::esp); },
      [](std::uint32_t) {
        Message m = request(Type::reg, SaType::unspec);
        m.extended_register = pfkey::ExtendedRegister{{2, 3, 0, 0}};
        return m;
      },
      [](std::uint32_t) { return request(Type::x_promisc, SaType{1}); },
      [](std::uint32_t) { return request(Type::x_promisc, SaType::unspec); },
      [](std::uint32_t) {
        Message m = request(Type::acquire, SaType::esp);
        m.error = 12;
        return m;
      },
      [](std::uint32_t s) {
        Message m = typed(Type::x_inverse_acquire, s);
        m.satype = SaType::unspec, m.sa.reset();
        return m;
      },
      [](std::uint32_t s) { return typed(Type::x_updatepair, s); },
      [](std::uint32_t s) { return typed(Type::x_delpair, s); },
      [](std::uint32_t s) { return typed(Type::x_delpair_state, s); },
      [](std::uint32_t) { return pfkey::samples::tunnel_sa(); },
      [](std::uint32_t) { return pfkey::samples::everything(); },
  });
  return kPatterns[which % kPatterns.size()](spi);
}

/// One field of it, or an extension that is added or removed.
inline void change(Message& m, unsigned which, std::uint32_t value) {
  using Change = void (*)(Message&, std::uint32_t);
  static constexpr std::array kChanges = std::to_array<Change>({
      [](Message& o, std::uint32_t v) { o.satype = static_cast<SaType>(v); },
      [](Message& o, std::uint32_t v) { o.type = static_cast<Type>(v); },
      [](Message& o, std::uint32_t v) { o.error = static_cast<std::uint8_t>(v); },
      [](Message& o, std::uint32_t v) { o.sa ? void(o.sa->flags = v) : void(); },
      [](Message& o, std::uint32_t v) { o.sa ? void(o.sa->state = static_cast<pfkey::State>(v)) : void(); },
      [](Message& o, std::uint32_t v) { o.sa ? void(o.sa->auth = static_cast<std::uint8_t>(v)) : void(); },
      [](Message& o, std::uint32_t v) { o.sa ? void(o.sa->encrypt = static_cast<std::uint8_t>(v)) : void(); },
      [](Message& o, std::uint32_t v) { o.sa ? void(o.sa->replay = static_cast<std::uint8_t>(v)) : void(); },
      [](Message& o, std::uint32_t) { o.sa.reset(); },
      [](Message& o, std::uint32_t) { std::swap(o.src, o.dst); },
      [](Message& o, std::uint32_t) { o.src.reset(); },
      [](Message& o, std::uint32_t) { o.encrypt_key.reset(); },
      [](Message& o, std::uint32_t v) { o.encrypt_key = engine::testing::key(v % 256); },
      [](Message& o, std::uint32_t v) { o.auth_key = engine::testing::key(v % 256); },
      [](Message& o, std::uint32_t v) { o.hard = pfkey::Lifetime{.bytes = v, .addtime = v % 1000}; },
      [](Message& o, std::uint32_t v) { o.soft = pfkey::Lifetime{.addtime = v}; },
      [](Message& o, std::uint32_t v) { o.idle = pfkey::Lifetime{.addtime = v}; },
      [](Message& o, std::uint32_t v) { o.pair = pfkey::Pair{0x100 + v % 16}; },
      [](Message& o, std::uint32_t v) { o.remark = pfkey::Remark{std::string(v % 2000, 'r')}; },
      [](Message& o, std::uint32_t v) {
        o.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, std::string(v % 8000, 'i')};
      },
      [](Message& o, std::uint32_t v) { o.replay_value = pfkey::ReplayValue::of(v); },
      [](Message& o, std::uint32_t v) { o.replay_window = pfkey::ReplayWindow{v % 5000, v % 2 != 0}; },
      [](Message& o, std::uint32_t v) { o.dst ? void(o.dst->port = static_cast<std::uint16_t>(v)) : void(); },
      [](Message& o, std::uint32_t v) { o.dst ? void(o.dst->address.octets[3] = static_cast<std::byte>(v)) : void(); },
  });
  kChanges[which % kChanges.size()](m, value);
}

}  // namespace requests

/// A request: its pattern, the SPI, the number of changes, and the changes.
inline pfkey::Message made(Reader& in) {
  const auto which = number<std::uint8_t>(in);
  pfkey::Message m = requests::pattern(which, 0x100 + number<std::uint8_t>(in));
  for (int left = number<std::uint8_t>(in) % 5; left > 0; --left) {
    const auto field = number<std::uint8_t>(in);
    requests::change(m, field, number<std::uint32_t>(in));
  }
  return m;
}

}  // namespace ipseckey
