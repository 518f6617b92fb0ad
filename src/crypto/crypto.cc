#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/secret_heap.h"
#include "crypto/detail/batch.h"
#include "crypto/detail/contexts.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/mac.h"

namespace ipseckey::crypto {

using pfkey::Algorithm;
using pfkey::Mode;

std::size_t Suite::icv() const {
  if (encrypt && encrypt->combined()) return encrypt->icv;
  if (!auth) return 0;
  return truncated ? truncated : auth->icv;
}
std::size_t Suite::block() const { return std::max<std::size_t>(4, encrypt ? encrypt->block : 4); }

bool available(const Algorithm& row) {
  if (row.mode == Mode::null) return true;
  if (row.kind == pfkey::AlgorithmKind::auth) return Mac::make(row, Secret(row.max_bits / 8u).bytes()) != nullptr;
  return cipher_of(row, row.max_bits / 8u) != nullptr;
}

std::string_view cure(const Algorithm& row) {
  if (row.kind == pfkey::AlgorithmKind::encrypt && of_legacy_provider(row))
    return "this ipsecd's OpenSSL lacks its legacy provider: install it (Debian 13: `apt install "
           "openssl-provider-legacy`) and restart ipsecd";
  return "this ipsecd's OpenSSL was built or configured without it";
}

bool use_secret_heap() {
  return CRYPTO_set_mem_functions([](std::size_t size, const char*, int) { return secret_heap::allocate(size); },
                                  [](void* p, std::size_t size, const char*, int) -> void* {
                                    if (size > 0) return secret_heap::reallocate(p, size);
                                    secret_heap::release(p);
                                    return nullptr;
                                  },
                                  [](void* p, const char*, int) { secret_heap::release(p); }) == 1;
}

void random_bytes(MutableBytes out) {
  // Without randomness there are no IVs; continuing would reveal keys.
  if (RAND_bytes_ex(library(), octets(out.data()), out.size(), 0) != 1) std::abort();
}

// By words where CRYPTO_memcmp() goes byte by byte. The empty statement hides from the compiler that once a bit
// differs, the rest no longer matters.
bool equal(Bytes a, Bytes b) {
  std::uint64_t differ = 0;
  const auto compare = [&]<class Word>(Word) {
    for (; a.size() >= sizeof(Word); a = a.subspan(sizeof(Word)), b = b.subspan(sizeof(Word))) {
      Word x, y;
      std::memcpy(&x, a.data(), sizeof x), std::memcpy(&y, b.data(), sizeof y);
      differ |= static_cast<std::uint64_t>(x ^ y);
      asm volatile("" : "+r"(differ));
    }
  };
  compare(std::uint64_t{}), compare(std::uint32_t{}), compare(std::uint8_t{});
  return differ == 0;
}

Keyed::Keyed(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {}
Keyed::~Keyed() = default;

std::unique_ptr<Keyed> Keyed::make(const Suite& suite, Way way, By by) {
  auto c = std::make_unique<Contexts>();
  return c->set_up(suite, way, by) ? std::unique_ptr<Keyed>(new Keyed(std::move(c))) : nullptr;
}

bool Keyed::mac(std::span<const Bytes> parts, MutableBytes icv) {
  return contexts_->mac && contexts_->mac->compute(parts, icv);
}

Crypto::Crypto(Random source) : source_(source), batch_(std::make_unique<Batch>()) {}
Crypto::~Crypto() { OPENSSL_cleanse(stock_.data(), stock_.size()); }

namespace {

template <class Job, class Work>
void in_batches(std::span<Job> jobs, Work work) {
  for (; !jobs.empty(); jobs = jobs.subspan(std::min(jobs.size(), Batch::kMost)))
    work(jobs.first(std::min(jobs.size(), Batch::kMost)));
}

}  // namespace

void Crypto::seal(std::span<Job> jobs) {
  in_batches(jobs, [this](std::span<Job> some) { batch_->seal(some); });
}
void Crypto::open(std::span<Job> jobs) {
  in_batches(jobs, [this](std::span<Job> some) { batch_->open(some); });
}
void Crypto::mac(std::span<MacJob> jobs) {
  in_batches(jobs, [this](std::span<MacJob> some) { batch_->mac(some); });
}

void Crypto::random(MutableBytes out) {
  if (left_ < out.size()) {
    source_(stock_);
    left_ = stock_.size();
  }
  std::ranges::copy(Bytes(stock_).subspan(stock_.size() - left_, out.size()), out.begin());
  left_ -= out.size();
}

}  // namespace ipseckey::crypto
