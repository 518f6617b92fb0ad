#pragma once
/// Intel's multi-buffer library, which processes several packets at once, and one packet with less set-up than OpenSSL.
/// Available only in builds with the library, and on processors with AES and carry-less multiplication.
#include <cstddef>

struct IMB_MGR;

namespace ipseckey::crypto {

/// The library's functions for this processor, which all threads share: only those without a state of the manager may
/// be called. nullptr: not available here.
const IMB_MGR* multi_buffer();

/// A manager of one thread's own, whose lanes contain keys: in the secret heap, and wiped when released.
class Manager {
 public:
  /// nullptr inside: not available here, or out of memory.
  Manager();
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  IMB_MGR* get() const { return manager_; }

 private:
  IMB_MGR* manager_ = nullptr;
};

}  // namespace ipseckey::crypto
