// What bench/guard counts, run under callgrind: only this work, without the kernel, a second thread or a clock, so that
// the same build always takes the same number of instructions. Callgrind writes a file for each call of measured(),
// with its name.
//
// usage: counted_work FEW MANY     two files of commands, the second longer
//        counted_work              prints what it was compiled with and for: the name of the file of figures
#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "api/open.h"
#include "backend/memory.h"
#include "cli/program.h"
#include "crypto/crypto.h"
#include "traffic/testing.h"

namespace ipseckey {
namespace {

[[noreturn]] void fail_with(std::string_view what) {
  fmt::print(stderr, "counted_work: {}\n", what);
  std::exit(1);
}

// Counts what `work` does, and nothing else.
template <class Work>
void measured(const std::string& name, Work work) {
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  work();
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(name.c_str());
}

// The command.

// A SADB that outlives the run that uses it.
class Lent : public backend::Backend {
 public:
  explicit Lent(backend::Backend& sadb) : sadb_(sadb) {}
  std::string name() const override { return sadb_.name(); }
  Result<void> call(std::span<pfkey::Message> requests, const Reply& reply) override {
    return sadb_.call(requests, reply);
  }
  Result<std::unique_ptr<backend::Listener>> listen(bool promiscuous) override { return sadb_.listen(promiscuous); }

 private:
  backend::Backend& sadb_;
};

void run(std::vector<std::string> arguments, backend::Backend& sadb) {
  std::string said;
  cli::Console console([](std::string_view) { return 0; }, [&](std::string_view text) { return said += text, 0; },
                       false);
  const auto clock = [] { return Instant{}; };
  const cli::World world{
      .console = console,
      .names = {[](const std::string&) { return Result<std::vector<Address>>(fail(Errc::not_found, "")); },
                [](const std::string&) { return std::optional<std::uint8_t>(); },
                [](const std::string&) { return std::optional<std::uint16_t>(); }},
      .host_name = nullptr,
      .protocol_name = nullptr,
      .clock = clock,
      .pid = 4242,
      .open =
          [&](const std::string&) { return Result<std::unique_ptr<backend::Backend>>(std::make_unique<Lent>(sadb)); },
      .view_kernel = nullptr,
      .open_scratch =
          [&](api::Scratch kind) {
            return api::open_scratch({.socket = "", .clock = clock, .kernel_lacks = {}, .stop_fd = -1}, kind);
          }};
  const std::string shown = fmt::format("{}", fmt::join(arguments, " "));
  if (cli::run_program({"ipseckey", std::move(arguments)}, world) != cli::Status::ok)
    fail_with(shown + " failed: " + said);
}

// The name says how many lines or SAs were worked on, so that the difference of two is the price of one.
void commands(const std::string& file, const std::string& size) {
  backend::Memory sadb(engine::Options{}, [] { return Instant{}; });
  measured("check " + size, [&] { run({"-c", file}, sadb); });
  measured("load " + size, [&] { run({"-f", file}, sadb); });
  measured("dump " + size, [&] { run({"-n", "dump"}, sadb); });
  measured("save " + size, [&] { run({"-s", file + ".saved"}, sadb); });
}

// The packets.

using namespace traffic;
using namespace traffic::testing;

constexpr std::size_t kBatch = 32, kSize = 512;

class Batch {
 public:
  explicit Batch(Octets packet) : packet_(std::move(packet)), memory_(kBatch, Octets(packet_.size() + 256)) {}

  std::span<Item> filled() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::ranges::copy(packet_, memory_[i].begin() + Packet::kHeadroom);
      items_[i].packet = {memory_[i], Packet::kHeadroom, packet_.size()};
    }
    return items_;
  }
  void expect_all_done(const std::string& what) const {
    for (const Item& item : items_)
      if (item.cause != Cause::none)
        fail_with(fmt::format("{} drops packets, cause {}", what, fmt::underlying(item.cause)));
  }

 private:
  Octets packet_;
  std::vector<Octets> memory_;
  std::array<Item, kBatch> items_;
};

// A batch of one SA: its first one, which expands keys, is not counted.
void packets(const std::string& name, Wish wish) {
  wish.tunnel = true;
  Host here({.workers = 1, .mtu = 9000, .random = counting}), there({.workers = 1, .mtu = 9000, .random = counting});
  here.add(add(0x100, wish));
  wish.window = 0;
  there.add(add(0x100, wish));
  const Octets plain = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = kSize - 28});

  Batch out(plain), in(protect(here, plain).packet);
  const auto worked = [](const std::string& what, Batch& batch, auto work) {
    work(batch.filled());
    const std::span<Item> items = batch.filled();
    measured(what, [&] { work(items); });
    batch.expect_all_done(what);
  };
  worked("protect " + name, out, [&](std::span<Item> items) { here.worker.protect(items, at(0)); });
  worked("unprotect " + name, in, [&](std::span<Item> items) { there.worker.unprotect(items, at(0)); });
}

// Each algorithm once: a cipher without integrity of its own with the recommended one, and the reverse; AH for each
// integrity.
void suites() {
  using enum pfkey::AlgorithmKind;
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    if (!crypto::available(row)) continue;
    const std::string name(row.name());
    if (row.kind == encrypt && row.combined()) packets(name, {.encrypt = row.number});
    if (row.kind == encrypt && !row.combined())
      packets(name + " + " + std::string(pfkey::recommended(auth).name()),
              {.encrypt = row.number, .auth = pfkey::recommended(auth).number});
    if (row.kind == auth && row.number != pfkey::recommended(auth).number)
      packets(std::string(pfkey::recommended(encrypt).name()) + " + " + name,
              {.encrypt = pfkey::recommended(encrypt).number, .auth = row.number});
    if (row.kind == auth) packets("AH " + name, {.encrypt = 0, .auth = row.number});
  }
}

}  // namespace
}  // namespace ipseckey

int main(int argc, char** argv) {
  using namespace ipseckey;
  if (argc == 1) {
    fmt::print("{}\n", IPSECKEY_COMPILER);
    return 0;
  }
  if (argc != 3) fail_with("usage: counted_work FEW MANY");
  if (!crypto::use_secret_heap()) fail_with("no memory for keys");
  commands(argv[1], "few");
  commands(argv[2], "many");
  suites();
  return 0;
}
