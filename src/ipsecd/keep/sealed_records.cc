// Sealed texts in memory that outlives the process, one record after another:
// 1. make() starts with empty pages or checks the magic number of those that were passed on.
// 2. scan() walks over the records, collects the free ones by size, and wipes everything behind a damaged one.
// 3. text() is the scratch memory; the caller writes a text there and put() seals it with AES-GCM under a new nonce.
// 4. A record is valid once its size is written, which happens last, so a process that is killed leaves no partial
//    record.
// 5. open() copies a record into the scratch memory and decrypts it; release() marks it free, then wipes it.
#include "ipsecd/keep/sealed_records.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace ipseckey::ipsecd {
namespace {

constexpr std::uint64_t kMagic = 0x3156445345535049;  // For this layout; memory with another one is not read.
constexpr std::size_t kBlock = 64;
constexpr std::size_t kIcv = 16, kIv = 8, kAad = 8, kFront = kAad + kIv;

// At the front of the memory, in a block of its own.
struct Front {
  std::uint64_t magic = kMagic;
  std::uint64_t nonce = 0;  // The last one used; it is advanced before use.
};

template <class T>
T read_at(Bytes all, std::uint64_t offset) {
  T value;
  std::memcpy(&value, all.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}
template <class T>
void write_at(MutableBytes all, std::uint64_t offset, const T& value) {
  std::memcpy(all.subspan(offset, sizeof value).data(), &value, sizeof value);
}

// What is written before this call is in memory before what is written after it, even if the process is killed in
// between.
void settle() { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // namespace

// At the front of each record, unencrypted. Records follow one another, used or free, until one with no blocks.
struct SealedRecords::Head {
  std::uint32_t blocks = 0;  // Including the head. It never changes.
  std::uint32_t size = 0;    // Size of the sealed text, without the ICV; 0: free.
  std::uint64_t nonce = 0;
  std::uint64_t serial = 0;
  std::uint64_t tag = 0;
};

SealedRecords::SealedRecords(SharedPages pages, Secret key, std::unique_ptr<crypto::Keyed> keyed, std::size_t most)
    : pages_(std::move(pages)), key_(std::move(key)), keyed_(std::move(keyed)) {
  scratch_.grow(kFront + most + kIcv);
}

SealedRecords::~SealedRecords() = default;

Result<SealedRecords> SealedRecords::make(SharedPages pages, Secret key, std::size_t most) {
  if (pages.size() == 0) {
    if (!pages.grow(kBlock)) return fail(Errc::io, "not enough memory to keep SAs for a restart");
    write_at(pages.bytes(), 0, Front{});
  } else if (pages.size() < kBlock || read_at<Front>(pages.bytes(), 0).magic != kMagic) {
    return fail(Errc::malformed, kOfAnotherKind);
  }
  const crypto::Suite suite{.encrypt = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, "aes-gcm16"),
                            .encrypt_key = &key};
  auto keyed = suite.encrypt ? crypto::Keyed::make(suite, crypto::Keyed::Way::both) : nullptr;
  if (!keyed)
    return fail(Errc::unsupported, "the cryptographic library lacks AES-GCM, which seals the SAs kept for a restart");
  SealedRecords records(std::move(pages), std::move(key), std::move(keyed), most);
  records.end_ = kBlock;
  return records;
}

SealedRecords::Head SealedRecords::head(Offset offset) const { return read_at<Head>(pages_.bytes(), offset); }

// Walks over all records and finds the free ones.
std::vector<SealedRecords::Found> SealedRecords::scan() {
  std::vector<Found> found;
  end_ = kBlock;
  while (end_ + sizeof(Head) <= pages_.size()) {
    const Head at = head(end_);
    const std::uint64_t length = std::uint64_t{at.blocks} * kBlock;
    if (at.blocks == 0 || length > pages_.size() - end_) break;
    if (at.size == 0 || sizeof at + at.size + kIcv > length) {
      free_[at.blocks].push_back(end_);
    } else {
      found.push_back({end_, at.serial, at.nonce});
    }
    end_ += length;
  }
  // A damaged record hides those behind it: they are lost, and must not reappear when it is overwritten.
  if (const MutableBytes rest = pages_.bytes().subspan(end_); !all_zero(rest)) wipe(rest);
  auto front = read_at<Front>(pages_.bytes(), 0);
  for (const Found& f : found) front.nonce = std::max(front.nonce, f.nonce);
  write_at(pages_.bytes(), 0, front);
  return found;
}

MutableBytes SealedRecords::text() { return scratch_.bytes().subspan(kFront, scratch_.size() - kFront - kIcv); }

std::optional<Bytes> SealedRecords::open(Offset offset) {
  const Head at = head(offset);
  if (at.size > text().size()) return std::nullopt;
  const Bytes sealed = std::as_const(pages_).bytes().subspan(offset + sizeof at, at.size + kIcv);
  const MutableBytes all = scratch_.bytes().first(kFront + sealed.size());
  write_at(all, 0, at.serial);
  write_at(all, kAad, at.nonce);
  std::ranges::copy(sealed, all.begin() + kFront);
  crypto::Job job{.keyed = keyed_.get(), .esp = all.first(all.size() - kIcv), .icv = all.last(kIcv)};
  crypto_->open({&job, 1});
  if (job.ok) return text().first(at.size);
  wipe(all);
  return std::nullopt;
}

SealedRecords::Offset SealedRecords::allocate(std::uint32_t blocks) {
  if (auto& list = free_[blocks]; !list.empty()) {
    const Offset offset = list.back();
    list.pop_back();
    return offset;
  }
  const Offset offset = end_;
  if (!pages_.grow(offset + std::uint64_t{blocks} * kBlock)) return 0;
  write_at(pages_.bytes(), offset, Head{.blocks = blocks});
  end_ += std::uint64_t{blocks} * kBlock;
  return offset;
}

// It becomes valid only when all of it has been written.
SealedRecords::Offset SealedRecords::put(std::size_t size, std::uint64_t serial, std::uint64_t tag) {
  const MutableBytes esp = scratch_.bytes().first(kFront + size);
  const MutableBytes icv = scratch_.bytes().subspan(esp.size(), kIcv);
  const auto blocks = static_cast<std::uint32_t>((sizeof(Head) + size + kIcv + kBlock - 1) / kBlock);
  const Offset offset = allocate(blocks);
  if (offset == 0) {
    wipe(esp);
    return 0;
  }
  auto front = read_at<Front>(pages_.bytes(), 0);
  ++front.nonce;
  write_at(pages_.bytes(), 0, front);
  settle();
  write_at(esp, 0, serial);
  write_at(esp, kAad, front.nonce);
  crypto::Job job{.keyed = keyed_.get(), .esp = esp, .icv = icv};
  crypto_->seal({&job, 1});
  Head at{.blocks = blocks, .size = 0, .nonce = front.nonce, .serial = serial, .tag = tag};
  std::ranges::copy(Bytes(scratch_.bytes()).subspan(kFront, size + kIcv),
                    pages_.bytes().subspan(offset + sizeof at).begin());
  wipe(esp);
  wipe(icv);
  write_at(pages_.bytes(), offset, at);
  settle();
  at.size = static_cast<std::uint32_t>(size);
  write_at(pages_.bytes(), offset, at);
  settle();
  return offset;
}

std::uint64_t SealedRecords::tag(Offset offset) const { return head(offset).tag; }

void SealedRecords::set_tag(Offset offset, std::uint64_t tag) {
  Head at = head(offset);
  at.tag = tag;
  write_at(pages_.bytes(), offset, at);
}

void SealedRecords::release(Offset offset) {
  const std::uint32_t blocks = head(offset).blocks;
  write_at(pages_.bytes(), offset, Head{.blocks = blocks});
  settle();
  wipe(pages_.bytes().subspan(offset + sizeof(Head), std::size_t{blocks} * kBlock - sizeof(Head)));
  free_[blocks].push_back(offset);
}

}  // namespace ipseckey::ipsecd
