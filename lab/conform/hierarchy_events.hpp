// What events of the hierarchy tell.
#pragma once

#include <string_view>

#include "ticklab/lab/ftrace/ftrace_reader.hpp"
#include "ticklab/model/linux/ktime.hpp"

namespace ticklab::lab {

inline linux_::Ktime time_field(const FtraceEvent& e, std::string_view field) {
    return linux_::ktime_at(e.signed_number(field));
}

/// Whether `e` belongs to a remote expiry under way on its CPU.
inline bool continues(const FtraceEvent& e) {
    return e.is("tmigr_handle_remote_cpu") || e.is("tmigr_update_events") ||
           (e.is("tmigr_handle_remote") && e.number("lvl") != 0);
}

}  // namespace ticklab::lab
