#include "backend/kernel_view.h"

#include <fmt/format.h>

#include "backend/offload.h"
#include "backend/xfrm_world.h"

namespace backend {

KernelView view_kernel() {
  const KernelFiles files;
  return {fmt::format("Linux {}", files.release()),
          kernel_report(files, connect_to_kernel),
          offload_devices(),
          may_change_sas(files),
          lockdown_of(files),
          error_counters(files)};
}

}  // namespace backend
