// CPU lists as the kernel's command line has them: "2-3,5".
#pragma once

#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

/// By CPU: whether it is in the list that is the value of that option of the kernel; the empty list has none. Throws
/// std::invalid_argument, which says what is expected, for what is no list of CPUs below `cpu_count`.
std::vector<bool> cpus_listed(std::string_view option, std::string_view list, sim::CpuId cpu_count);

}  // namespace ticklab::linux_
