/// PF_KEY messages to bytes and back: the price of one ADD as a load sends it and as the engine reads it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>

#include "pfkey/codec.h"
#include "pfkey/message.h"

namespace {

pfkey::Key key(std::size_t bytes, std::byte fill) {
  pfkey::Key k;
  k.bits = static_cast<std::uint16_t>(bytes * 8);
  k.material = Secret(bytes);
  std::ranges::fill(k.material.bytes(), fill);
  return k;
}

/// ESP, AES-256-CBC with HMAC-SHA-256, lifetimes: what a line of bench/make_keys becomes.
pfkey::Message add() {
  pfkey::Message m;
  m.type = pfkey::Type::add;
  m.satype = pfkey::SaType::esp;
  m.seq = 1, m.pid = 1;
  m.sa = pfkey::Sa{.spi = 0x1000, .replay = 0, .state = pfkey::State::mature, .auth = 5, .encrypt = 12, .flags = 0};
  m.hard = pfkey::Lifetime{.allocations = 0, .bytes = 0, .addtime = 28800, .usetime = 0};
  m.soft = pfkey::Lifetime{.allocations = 0, .bytes = 0, .addtime = 25200, .usetime = 0};
  m.src = pfkey::Endpoint{.proto = 0, .prefix = 0, .address = *parse_address("10.0.0.1"), .port = 0};
  m.dst = pfkey::Endpoint{.proto = 0, .prefix = 0, .address = *parse_address("10.1.2.3"), .port = 0};
  m.encrypt_key = key(32, std::byte{0x5a});
  m.auth_key = key(32, std::byte{0xa5});
  return m;
}

void encode_add(benchmark::State& state) {
  const pfkey::Message m = add();
  std::array<std::byte, 4096> wire;
  std::int64_t bytes = 0;
  for (auto _ : state) {
    const auto size = pfkey::encode(m, wire);
    benchmark::DoNotOptimize(wire);
    bytes += static_cast<std::int64_t>(size.value());
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(encode_add);

void decode_add(benchmark::State& state) {
  std::array<std::byte, 4096> wire;
  const std::size_t size = pfkey::encode(add(), wire).value();
  for (auto _ : state) {
    auto m = pfkey::decode(Bytes(wire).first(size));
    benchmark::DoNotOptimize(m);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(size) * state.iterations());
}
BENCHMARK(decode_add);

}  // namespace
