// Writes the corpora of the targets that read their input as a script again: fuzz_script_seeds FOLDER.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace {

using Script = std::string;

// Integers as the targets read them: in host order.
template <class... T>
Script octets(T... values) {
  Script out;
  const auto one = [&](auto value) {
    for (std::size_t i = 0; i < sizeof value; ++i)
      out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff));
  };
  (one(values), ...);
  return out;
}
using U8 = std::uint8_t;
using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;

Script zeros(std::size_t count) { return Script(count, '\0'); }
Script counted(const Script& text) { return octets(static_cast<U8>(text.size())) + text; }
Script times(int count, const Script& part) {
  Script out;
  for (; count > 0; --count) out += part;
  return out;
}

struct Folder {
  std::string path;
  void write(const std::string& name, const Script& script) const {
    std::filesystem::create_directories(path);
    std::ofstream(path + "/" + name, std::ios::binary) << script;
  }
};

namespace sealed {

enum Shape : U8 { kTunnel = 1, kInUdp = 2, kEsn = 4, kV6 = 8, kInner6 = 16 };
const Script kDeliver = octets(U8{4});

Script head(U8 way, int shape, U16 window, U64 start = 0) { return octets(way, static_cast<U8>(shape), window, start); }
Script text(int near, U8 next, const Script& text) {
  return octets(U8{0}, static_cast<U16>(near), U8{0}, next) + counted(text);
}
Script packet(int near, U8 far, U8 size) { return octets(U8{1}, static_cast<U16>(near), far, size); }
Script again(U8 which) { return octets(U8{2}, which); }
Script spoil(U8 which, U16 bit) { return octets(U8{3}, which, bit); }
Script spoil_many(U8 which) { return octets(U8{5}, which); }

void write(const Folder& to) {
  const Script& d = kDeliver;
  Script basic, rising;
  for (const U8 size : std::initializer_list<U8>{0, 1, 40, 200}) basic += packet(1, 0, size) + d;
  for (char c = 0; c < 30; ++c) rising.push_back(c);
  basic +=
      again(1) + d + spoil(3, 77) + d + packet(-2, 0, 9) + d + again(0) + packet(300, 0, 3) + packet(-70, 0, 3) + d;
  basic += text(1, 17, rising) + text(2, 59, octets(U8{1}, U8{2}, U8{2}, U8{59})) +
           text(3, 4, "\x45" + zeros(31) + "\x04") + d;
  struct Kind {
    const char* name;
    int shape;
    U16 window;
  };
  U8 way = 0;
  for (const Kind& kind : std::initializer_list<Kind>{{"gcm", 0, 64},
                                                      {"cbc-sha256", kTunnel, 32},
                                                      {"ctr-sha256", kInUdp, 1},
                                                      {"ccm", kTunnel | kV6 | kInner6, 4096},
                                                      {"chacha", kTunnel | kInner6, 0},
                                                      {"gmac", kV6, 63},
                                                      {"null-sha1", kInUdp | kTunnel, 64},
                                                      {"gcm8", kEsn, 65},
                                                      {"ah", kEsn | kTunnel, 64},
                                                      {"ah-xcbc", kV6 | kEsn | kTunnel, 64},
                                                      {"cbc-sha256-96", kTunnel, 64},
                                                      {"null-sha512-512", kEsn | kV6, 64},
                                                      {"ah-sha256-96", kEsn | kTunnel, 64},
                                                      {"ah-xcbc-128", kV6 | kTunnel, 64}})
    to.write(kind.name, head(way++, kind.shape, kind.window) + basic);

  const Script one = packet(1, 0, 1) + d;
  const Script wrap = packet(1, 0, 5) + packet(1, 0, 5) + packet(3, 0, 5) + d + again(0) + again(2) + d +
                      packet(-40, 0, 5) + packet(-64, 0, 5) + d;
  const Script lost = packet(1, 2, 7) + spoil_many(1) + d + packet(1, 2, 7) + d + packet(1, 0, 7) + d +
                      packet(1, 17, 7) + d + spoil_many(68) + d + packet(2, 17, 7) + d + packet(3, 16, 7) + d +
                      spoil_many(133) + packet(3, 16, 7) + d + packet(1, 0, 7) + d;
  constexpr U64 kStep = U64{1} << 32;
  to.write("esn-wrap", head(0, kEsn, 64, kStep - 3) + wrap);
  to.write("esn-first-numbers", head(6, kEsn | kTunnel, 4096) + wrap + packet(-4096, 0, 1) + d);
  to.write("esn-lost-count", head(0, kEsn, 64) + one + lost);
  to.write("esn-lost-count-ah", head(8, kEsn, 64, kStep * 5) + one + lost);
  const Script far = one + packet(1, 16, 7) + times(63, spoil(1, 0xffff)) + d + packet(1, 16, 7) + d;
  to.write("esn-lost-16-rounds", head(0, kEsn, 64) + far);
  to.write("esn-lost-16-rounds-ah", head(8, kEsn, 64) + far);
  to.write("same-number-in-one-call", head(1, 0, 64) + packet(1, 0, 1) + again(0) + again(0) + spoil(0, 1) + d);
  to.write("last-number-of-32", head(0, 0, 64, kStep - 2) + one + one + packet(0, 1, 1) + d);
  to.write("window-1", head(0, kEsn, 1, kStep - 1) + wrap);
  to.write("left-edge", head(0, 0, 64) + packet(100, 0, 1) + d + packet(-63, 0, 1) + d + packet(-64, 0, 1) + d);
}

}  // namespace sealed

namespace stream {

enum How : U8 { kTcp = 0, kUdp = 1, kOther = 3, kV6 = 8, kDontFragment = 16 };
const Script kDeliver = octets(U8{7});

Script cut(int how, U8 which, U8 flags, U8 options, U8 mark, unsigned payload, U16 size) {
  return octets(static_cast<U8>(how), which, flags, options, mark, static_cast<U16>(payload - 1), size);
}
Script odd(U8 which, U16 at, U8 value, U8 sum) { return octets(U8{2}, which, at, value, sum); }
Script other(U8 protocol, U8 mark, U16 id, const Script& text, int how = 0) {
  return octets(static_cast<U8>(kOther | how), protocol, mark, id) + counted(text);
}

void write(const Folder& to) {
  const Script& d = kDeliver;
  const Script plain = cut(kDontFragment, 0, 0x18, 0, 0, 5000, 1200) + d + cut(kV6, 1, 0x18, 3, 0, 5000, 1200) + d +
                       cut(0, 2, 0x18, 0, 0, 301, 100) + d + cut(0, 0, 0x18, 3, 0, 1, 1) + d +
                       cut(0, 1, 0x18, 0, 0, 20000, 1300) + d + cut(kV6, 2, 0x18, 3, 0, 3000, 1000) + d +
                       cut(kUdp, 0, 0, 0, 0, 4000, 1000) + cut(0, 0, 0x90, 0, 2, 2000, 500) +
                       cut(0, 1, 0x11, 0, 3, 2000, 500) + d;
  const Script swap = octets(U8{4}), twice = octets(U8{5}), lose = octets(U8{6});
  const Script mixed = cut(0, 0, 0, 0, 0, 900, 100) + cut(0, 1, 0, 0, 0, 900, 100) + swap + octets(U8{3}) + swap +
                       octets(U8{12}) + twice + octets(U8{4}) + lose + octets(U8{2}) + odd(5, 33, 0x14, 1) +
                       odd(6, 40, 9, 0) + other(17, 0, 0, zeros(20)) + other(59, 0, 5, zeros(20)) + d;
  const Script big = cut(kDontFragment, 0, 0, 0, 0, 9000, 3000) + cut(0, 0, 0, 0, 0, 9000, 3000) +
                     cut(kV6, 1, 0, 0, 0, 9000, 3000) + cut(kUdp, 1, 0, 0, 0, 9000, 9000) + d;
  const Script options = octets(U8{6}, U8{0}, U8{1}, U8{4}, U32{0});
  const Script part = octets(U8{17}, U8{0}, U8{0}, U8{1}, U8{0}, U8{0}, U8{0}, U8{1});
  const Script last = octets(U8{59}, U8{0}, U8{1}, U8{4}, U32{0});
  const Script extended = other(60, 0, 0, options + zeros(20), kV6) + other(44, 0, 0, part + zeros(24), kV6) +
                          other(0, 0, 0, last, kV6) + other(50, 3, 7, zeros(40)) + other(51, 1, 7, zeros(40)) +
                          other(4, 0, 0, zeros(40)) + d;
  U8 way = 0;
  for (const std::string name : {"gcm", "cbc", "ah"}) {
    to.write(name + "-transport", octets(way, U8{0}, way) + plain + mixed + big + extended);
    to.write(name + "-tunnel", octets(way, U8{1}, way) + plain + mixed + big + extended);
    ++way;
  }
  const Script wide = octets(U8{0}, U8{1}, U8{3});
  to.write("wide-path", wide + big + cut(0, 0, 0, 0, 0, 40000, 1400) + d + cut(0, 2, 0x18, 0, 0, 120, 1) + d);
  to.write("ids-do-not-follow",
           wide + cut(0, 0, 0, 0, 0, 100, 100) + cut(0, 1, 0, 0, 0, 100, 100) + cut(0, 0, 0, 0, 0, 100, 100) + d);
  to.write("syn-between", wide + cut(kDontFragment, 0, 0, 0, 0, 100, 100) + odd(0, 33, 0x12, 1) +
                              cut(kDontFragment, 0, 0, 0, 0, 100, 100) + d);
  to.write("longer-follows", wide + cut(0, 0, 0, 0, 0, 200, 200) + cut(0, 0, 0, 0, 0, 300, 300) + d);
}

}  // namespace stream

namespace server {

// As in requests.h.
enum Pattern : U8 {
  kAddEsp,
  kAddAh,
  kInbound,
  kUpdate,
  kGet,
  kDelete,
  kFlush,
  kDump,
  kGetspi,
  kRegister,
  kRegisterAll,
  kPromisc,
  kNotPromisc,
  kAcquire,
  kInverse,
  kUpdatePair,
  kDeletePair,
  kDeletePairState,
  kTunnel,
  kEverything,
  kPatterns
};
enum Field : U8 { kFlags = 3, kHard = 14, kSoft = 15, kPair = 17, kIdentity = 19 };
using Changes = std::initializer_list<std::pair<Field, U32>>;

Script made(U8 pattern, U8 spi = 0, Changes changes = {}) {
  Script out = octets(pattern, spi, static_cast<U8>(changes.size()));
  for (const auto& [field, value] : changes) out += octets(static_cast<U8>(field), value);
  return out;
}
Script op(int action, int client) { return octets(static_cast<U8>(action | client << 4)); }
Script ask(int client, U8 pattern, U8 spi = 0, Changes changes = {}) {
  return op(0, client) + made(pattern, spi, changes);
}
struct Spot {
  U16 at;
  U8 value;
};
Script spoilt(int client, const Script& request, std::initializer_list<Spot> spots) {
  Script out = op(1, client) + request + octets(static_cast<U8>(spots.size() - 1));
  for (const Spot& spot : spots) out += octets(spot.at, spot.value);
  return out;
}
Script noise(int client, const Script& text) { return op(2, client) + counted(text); }
Script room(int client, U8 messages) { return op(3, client) + octets(messages); }
Script flush(int client) { return op(4, client); }
Script wait(U8 seconds) { return op(5, 0) + octets(seconds); }
Script wait_long(U8 ten_minutes) { return op(6, 0) + octets(ten_minutes); }
Script acquire(U8 last) { return op(8, 0) + octets(last); }
Script reopen(int client, U16 longest = UINT16_MAX) { return op(9, client) + octets(longest); }
Script many(int client, U8 eights, U8 pattern, U8 spi = 0) {
  return op(11, client) + made(pattern, spi) + octets(eights);
}

void write(const Folder& to) {
  const Script no_limit = octets(U8{255}), attend = op(7, 0), memory = op(12, 0);
  Script everything;
  for (U8 pattern = 0; pattern < kPatterns; ++pattern) everything += ask(2, pattern, 1);
  to.write("life", no_limit + ask(0, kAddEsp, 1, {{kHard, 100}, {kSoft, 50}}) + ask(1, kGet, 1) + ask(2, kGet, 1) +
                       ask(2, kDump) + flush(2) + ask(0, kDump) + flush(0) + wait(60) + wait(50) +
                       ask(0, kUpdate, 1, {{kHard, 5}}) + wait_long(2) + ask(1, kDelete, 1));
  to.write("reader-may-not",
           no_limit + ask(0, kAddAh, 1) + everything + spoilt(2, made(kGet, 1), {{4, 9}}) + noise(2, "abc"));
  to.write("listener-behind", no_limit + room(3, 0) + ask(0, kAddEsp, 1) + many(0, 255, kFlush) + room(3, 20) +
                                  many(1, 3, kFlush) + room(3, 255) + ask(0, kAddEsp, 2) + room(3, 5) +
                                  many(1, 180, kGet, 9) + many(1, 180, kDelete, 9) + flush(3));
  to.write("client-behind", no_limit + ask(0, kAddEsp, 1) + room(1, 0) + many(1, 20, kGet, 1) + many(0, 255, kFlush) +
                                room(1, 3) + room(1, 100) + ask(1, kDump) + room(1, 255) + flush(1) + op(10, 1) +
                                ask(1, kDump) + ask(0, kAddEsp, 3) + reopen(1) + ask(1, kGet, 3));
  to.write("managers", no_limit + ask(0, kRegister) + ask(1, kRegisterAll) + acquire(3) + acquire(2) +
                           ask(0, kAcquire) + ask(1, kGetspi, 5) + wait(60) + wait_long(9) + attend + ask(1, kPromisc) +
                           ask(0, kGet, 1) + ask(1, kNotPromisc) + reopen(0) + acquire(9));
  to.write("limits", octets(U8{1}) + ask(0, kAddEsp, 1) + ask(0, kAddEsp, 2) + ask(0, kAddEsp, 3) + ask(0, kDelete, 1) +
                         memory + ask(0, kAddEsp, 4) + ask(0, kDelete, 2) + ask(0, kAddEsp, 5) + ask(1, kGetspi, 9) +
                         memory + ask(0, kAddEsp, 6));
  to.write("pairs", no_limit + ask(0, kAddEsp, 1, {{kFlags, 0x8000}}) + ask(0, kInbound, 2, {{kPair, 1}}) +
                        ask(0, kDeletePairState, 1) + ask(1, kUpdatePair, 1, {{kHard, 9}}) + ask(1, kDeletePair, 1) +
                        ask(0, kInverse, 1) + ask(0, kTunnel) + ask(0, kEverything) +
                        spoilt(0, made(kAddEsp, 7), {{16, 1}, {20, 7}, {30, 255}}) +
                        spoilt(1, made(kFlush), {{1, 200}}) + noise(1, zeros(16)));
  to.write("asks-behind-full-news",
           no_limit + room(1, 0) + many(0, 255, kFlush) + ask(1, kGet, 9) + ask(1, kAddEsp, 9) + room(1, 255));
  const Script long_one = no_limit + ask(0, kAddEsp, 1, {{kIdentity, 6000}}) + reopen(1, 300);
  to.write("too-long-at-once", long_one + ask(1, kGet, 1) + ask(1, kDump) + flush(1));
  to.write("too-long-behind-others",
           long_one + room(1, 0) + ask(1, kGet, 9) + ask(1, kGet, 1) + ask(1, kGet, 9) + room(1, 255));
}

}  // namespace server

namespace outbox {

Script put(U8 how, U8 count, U16 size) {
  return octets(how, count, size);
}  // How: 0 a notice, 1 a reply, 3 without a check.
Script pop(U8 count) { return octets(U8{4}, count); }

void write(const Folder& to) {
  to.write("in-and-out",
           put(1, 3, 16) + put(0, 5, 24) + pop(2) + put(1, 40, 700) + pop(30) + put(0, 200, 100) + pop(255));
  to.write("full-of-news", times(5, put(0, 255, 16)) + put(1, 70, 16) + pop(200) + put(0, 255, 16) + put(0, 100, 4000) +
                               times(4, pop(255)) + octets(U8{7}) + put(0, 9, 9));
  to.write("full-of-bytes",
           put(1, 70, 8999) + put(0, 80, 8999) + pop(10) + put(1, 20, 3000) + put(3, 3, 8000) + pop(255));
  to.write("moves-up", times(40, put(0, 3, 900) + pop(2)) + pop(30) + put(0, 9, 8000) + pop(9));
}

}  // namespace outbox

namespace arrival {

enum Kind : U8 { kV6 = 1, kMixed = 6, kUdp = 8 };

Script head(U8 kinds, U8 protocol, U8 mark, U8 hops, U16 before, U16 behind) {
  const Script upper = kinds & kUdp ? octets(kinds, U16{4500}, U16{4501}) : octets(kinds, protocol, U32{0});
  return upper + octets(mark, hops, before, behind);
}
Script extension(U8 protocol, const Script& text) { return octets(protocol) + counted(text); }

void write(const Folder& to) {
  Script text;
  for (char c = 0; c < 50; ++c) text.push_back(c);
  const Script none = zeros(1), hops = octets(U8{44}, U8{0}, U8{1}, U8{4}, U32{0});
  to.write("v4", head(0, 50, 3, 64, 128, 64) + none + text);
  to.write("v4-options", head(0, 51, 0, 1, 20, 64) + counted(octets(U64{0x0403830101010101})) + text);
  to.write("v4-odd-options", head(0, 51, 0, 1, 128, 64) + counted("\x01\x01\x01") + "\x01" + text);
  to.write("v4-udp", head(kUdp, 0, 0, 64, 27, 1) + none + text);
  to.write("v4-udp-no-room", head(kUdp, 0, 0, 64, 10, 17) + none + text);
  to.write("v6", head(kV6, 50, 255, 255, 40, 0) + none + text);
  to.write("v6-extensions", head(kV6, 51, 0, 9, 128, 700) + "\x03" + extension(0, hops) +
                                extension(43, octets(U8{44}, U8{0}, U8{253}, U8{0}, U32{0})) +
                                extension(60, octets(U8{1}, U8{30}, U8{1}, U8{4}) + zeros(244)) + text);
  to.write("v6-udp-extension", head(kV6 | kUdp, 0, 0, 9, 0, 200) + "\x01" + extension(60, hops) + text);
  to.write("v6-empty-extension", head(kV6, 51, 0, 9, 128, 64) + "\x01" + extension(60, "") + text);
  to.write("families-mixed", head(kMixed, 50, 0, 9, 128, 64) + none + text);
}

}  // namespace arrival

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string root = argv[1];
  sealed::write({root + "/sealed"});
  stream::write({root + "/stream"});
  server::write({root + "/server"});
  outbox::write({root + "/outbox"});
  arrival::write({root + "/arrival"});
  return 0;
}
