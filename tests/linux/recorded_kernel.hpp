// ftrace text of a real kernel, as tests/data/recorded-kernels/README.md describes it.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_::testing {

struct TraceEvent {
    sim::CpuId cpu = 0;
    std::int64_t at_us = 0;
    std::string name;
    std::map<std::string, std::string, std::less<>> fields;

    bool is(std::string_view what) const { return name == what; }
    const std::string& text(std::string_view field) const {
        const auto it = fields.find(field);
        if (it == fields.end())
            throw std::invalid_argument("event " + name + " has no field " + std::string(field));
        return it->second;
    }
    std::uint64_t number(std::string_view field, int base = 10) const {
        return std::stoull(text(field), nullptr, base);
    }
};

struct RecordedKernel {
    std::string version;  ///< "6.12.107+deb13-cloud-amd64"
    sim::CpuId cpus = 0;
    std::uint32_t nodes = 0;
    std::string levels_message;
    /// The hierarchy's events since early boot, and those of the main trace, which starts after a gap.
    std::vector<TraceEvent> boot, trace;
};

/// "TASK-PID [CPU] FLAGS SECONDS: NAME: key=value ..."; none for another line.
inline bool parse_trace_line(const std::string& line, TraceEvent& e) {
    const std::size_t open = line.find(" [");
    const std::size_t close = line.find("] ", open);
    if (line.empty() || line[0] == '#' || open == std::string::npos || close == std::string::npos)
        return false;
    e = TraceEvent{};
    e.cpu = static_cast<sim::CpuId>(std::stoul(line.substr(open + 2, close - open - 2)));
    std::istringstream rest(line.substr(close + 2));
    std::string flags, stamp, word;
    rest >> flags >> stamp >> e.name;
    if (stamp.empty() || stamp.back() != ':' || e.name.empty() || e.name.back() != ':')
        return false;
    const std::size_t dot = stamp.find('.');
    e.at_us = std::stoll(stamp.substr(0, dot)) * 1'000'000 + std::stoll(stamp.substr(dot + 1));
    e.name.pop_back();
    while (rest >> word)
        if (const std::size_t eq = word.find('='); eq != std::string::npos)
            e.fields[word.substr(0, eq)] = word.substr(eq + 1);
    return true;
}

/// The hierarchy's events, and what says which timers a wheel holds and when the timer softirq ends.
inline bool wanted(const TraceEvent& e) {
    return e.name.starts_with("tmigr_") || e.is("timer_start") || e.is("timer_cancel") || e.is("timer_expire_entry") ||
           (e.is("softirq_exit") && e.text("vec") == "1");
}

inline RecordedKernel read_recorded_kernel(const std::string& path) {
    gzFile file = gzopen(path.c_str(), "rb");
    if (!file)
        throw std::invalid_argument(path + " cannot be opened");
    std::string text;
    char buffer[65536];
    for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    gzclose(file);

    RecordedKernel k;
    std::istringstream in(text);
    std::string section;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("##### ")) {
            section = line.substr(6, line.find(' ', 6) - 6);
            continue;
        }
        if (section == "uname" && line.starts_with("Linux"))
            k.version = line.substr(line.find(") ") + 2, line.find(" #") - line.find(") ") - 2);
        if (section == "topology" && line.starts_with("ncpus="))
            k.cpus = static_cast<sim::CpuId>(std::stoul(line.substr(6)));
        if (section == "topology" && line.starts_with("/sys/devices/system/node/node"))
            ++k.nodes;
        if (const std::size_t at = line.find("Timer migration: "); section == "dmesg" && at != std::string::npos)
            k.levels_message = line.substr(at);
        TraceEvent e;
        if ((section == "boot_trace" || section == "trace") && parse_trace_line(line, e) && wanted(e))
            (section == "trace" ? k.trace : k.boot).push_back(std::move(e));
    }
    return k;
}

}  // namespace ticklab::linux_::testing
