// A recorded kernel: the events of its migration hierarchy, and what says which timers a wheel holds.
//
// Two forms are read, each plain or gzipped:
//  - ftrace text that begins with the creation of the hierarchy, such as `ticklab run --ftrace` writes it;
//  - sections that start with "##### NAME": uname, topology, dmesg, boot_trace (since early boot) and trace (a later
//    part, after a gap); others are passed over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/ftrace/ftrace_reader.hpp"
#include "ticklab/lab/input_error.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

struct Recording {
    std::string file;
    std::string release;  ///< as uname says it, "6.12.107+deb13-cloud-amd64"; empty if the file does not
    sim::CpuId cpu_count = 0;
    std::uint32_t node_count = 1;
    std::string levels_message;  ///< what the kernel said of its hierarchy's shape; empty if the file does not
    unsigned children = 8;       ///< that a group has at most
    std::int64_t tick_ns = 0;    ///< the longest usual tick of whose edges all first timers are
    std::vector<FtraceEvent> boot;
    std::vector<FtraceEvent> trace;
};

/// Nothing, and errors with their lines, if it cannot be read, is no such text, has gaps, or has an event that lacks a
/// field or whose field has no value of the kind.
std::optional<Recording> read_recording(const std::string& file, std::vector<InputError>& errors);

}  // namespace ticklab::lab
