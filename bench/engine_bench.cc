/// The engine: adding an SA to a SADB that grows, finding one among a million.
#include <benchmark/benchmark.h>

#include "engine/engine.h"
#include "sample.h"

namespace ipseckey {

namespace {

void ignore(engine::Audience, pfkey::Message&&) {}

void add_sa(benchmark::State& state) {
  engine::Engine engine;
  std::uint32_t spi = 0x1000;
  for (auto _ : state) engine.handle(bench::add(spi++), Instant{}, ignore);
  if (engine.size() != spi - 0x1000) state.SkipWithError("an SA is missing");
}
BENCHMARK(add_sa);

void get_sa(benchmark::State& state) {
  constexpr std::uint32_t kSas = 1'000'000, kStep = 7919;  // Far enough apart that no two look-ups share a cache line.
  engine::Engine engine;
  for (std::uint32_t i = 0; i < kSas; ++i) engine.handle(bench::add(0x1000 + i), Instant{}, ignore);
  pfkey::Message request = bench::add(0x1000).header();
  request.type = pfkey::Type::get;
  request.dst = bench::add(0x1000).dst;
  std::uint32_t at = 0;
  for (auto _ : state) {
    pfkey::Message m = request.clone();
    m.sa = pfkey::Sa{.spi = 0x1000 + at};
    at = (at + kStep) % kSas;
    engine.handle(std::move(m), Instant{}, [&](engine::Audience, pfkey::Message&& reply) {
      if (reply.error != 0) state.SkipWithError("an SA is missing");
    });
  }
}
BENCHMARK(get_sa);

}  // namespace

}  // namespace ipseckey
