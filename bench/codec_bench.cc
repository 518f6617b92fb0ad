/// PF_KEY messages to bytes and back: the price of one ADD as a load sends it and as the engine reads it.
#include <benchmark/benchmark.h>

#include <array>

#include "pfkey/codec.h"
#include "sample.h"

namespace ipseckey {

namespace {

void encode_add(benchmark::State& state) {
  const pfkey::Message m = bench::add(0x1000);
  std::array<std::byte, 4096> wire;
  for (auto _ : state) {
    auto size = pfkey::encode(m, wire);
    benchmark::DoNotOptimize(size);
    benchmark::DoNotOptimize(wire);
  }
}
BENCHMARK(encode_add);

void decode_add(benchmark::State& state) {
  std::array<std::byte, 4096> wire;
  const std::size_t size = pfkey::encode(bench::add(0x1000), wire).value();
  for (auto _ : state) {
    auto m = pfkey::decode(Bytes(wire).first(size));
    benchmark::DoNotOptimize(m);
  }
}
BENCHMARK(decode_add);

}  // namespace

}  // namespace ipseckey
