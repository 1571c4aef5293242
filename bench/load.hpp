// The loads that ticklab and its peers run alike: what is drawn, how many events there are, how a result is printed.
//
// Rules
//  - A message's draws are a function of the message and its hop alone, so every engine sees the same population of
//    events whatever its tie rule; the checksum proves it.
//  - Integers only, in nanoseconds: the finest unit that all peers share.
//  - No include of ticklab: the peers' programs are built from this file and their own library.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace ticklab::bench {

__extension__ typedef unsigned __int128 Wide;

/// Counter-based: the value for a counter needs no state.
constexpr std::uint64_t draw(std::uint64_t counter) {
    std::uint64_t z = (counter + 1) * 0x9e37'79b9'7f4a'7c15U;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9U;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11ebU;
    return z ^ z >> 31;
}

/// log2(1 + i/256) in units of 2^-32, bit by bit through repeated squaring.
constexpr std::array<std::uint64_t, 257> log2_table() {
    std::array<std::uint64_t, 257> table{};
    for (std::uint64_t i = 0; i < 256; ++i) {
        std::uint64_t x = (256 + i) << 54;  // 1 <= x < 2 in units of 2^-62
        for (int bit = 31; bit >= 0; --bit) {
            x = static_cast<std::uint64_t>(Wide{x} * x >> 62);
            if (x >> 63 != 0) {
                x >>= 1;
                table[i] |= std::uint64_t{1} << bit;
            }
        }
    }
    table[256] = std::uint64_t{1} << 32;
    return table;
}

inline constexpr std::array<std::uint64_t, 257> kLog2 = log2_table();

/// An exponential draw of the given mean (below 2^26) from 64 random bits: -ln(bits / 2^64) by table and interpolation.
constexpr std::uint64_t exponential(std::uint64_t bits, std::uint64_t mean) {
    const auto leading = static_cast<unsigned>(__builtin_clzll(bits | 1));
    const std::uint64_t mantissa = bits << leading;
    const std::uint64_t index = mantissa >> 55 & 255;
    const std::uint64_t between = mantissa >> 31 & 0xff'ffff;
    const std::uint64_t log2 = kLog2[index] + ((kLog2[index + 1] - kLog2[index]) * between >> 24);
    const std::uint64_t minus_log2 = (std::uint64_t{leading + 1} << 32) - log2;
    constexpr std::uint64_t kLn2 = 0xb172'17f7U;  // in units of 2^-32
    return static_cast<std::uint64_t>(Wide{minus_log2} * kLn2 * mean >> 64);
}

/// PHOLD: `processes` logical processes and as many messages. Whoever receives a message sends it on: nine times out of
/// ten to another process drawn evenly, else to itself, after the lookahead and an exponential time.
struct Phold {
    static constexpr std::uint64_t kLookaheadNs = 100'000;
    static constexpr std::uint64_t kMeanNs = 900'000;

    struct Hop {
        std::uint32_t to;
        std::uint64_t delay_ns;
    };
    static constexpr Hop hop(std::uint32_t message, std::uint32_t hops, std::uint32_t from, std::uint32_t processes) {
        const std::uint64_t a = draw(std::uint64_t{message} << 32 | hops);
        const std::uint64_t b = draw(a);
        std::uint32_t to = from;
        if ((b >> 32) * 10 >> 32 != 0) {
            to = from + 1 + static_cast<std::uint32_t>((b & 0xffff'ffff) * (processes - 1) >> 32);
            to = to >= processes ? to - processes : to;
        }
        return {to, kLookaheadNs + exponential(a, kMeanNs)};
    }
};

/// A logical process or a ticking CPU: counts what it handles. The sums do not depend on the order of equal times.
struct Process {
    std::uint64_t events = 0;
    std::uint64_t checksum = 0;

    void handle(std::uint64_t at_ns, std::uint32_t what) {
        ++events;
        checksum += (at_ns + what) * 0x9e37'79b9'7f4a'7c15U;
    }
};

/// Ticks: `processes` CPUs tick at 1000 Hz each, staggered evenly over the period; nothing else happens. So one virtual
/// second with 1024 CPUs is 1 024 000 ticks.
struct Ticks {
    static constexpr std::uint64_t kPeriodNs = 1'000'000;

    static constexpr std::uint64_t first_ns(std::uint32_t process, std::uint32_t processes) {
        return 1 + process * kPeriodNs / processes;
    }
};

struct Request {
    std::string load = "phold";
    std::uint32_t processes = 1024;
    std::uint64_t virtual_ns = 0;
    std::string variant;
};

/// Reads `LOAD PROCESSES VIRTUAL_MS [VARIANT]`; ends the program with 2 if they make no sense.
inline Request parse_request(int argc, char** argv) {
    Request r;
    if (argc >= 4 && argc <= 5) {
        r.load = argv[1];
        r.processes = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
        r.virtual_ns = std::strtoull(argv[3], nullptr, 10) * 1'000'000;
        r.variant = argc == 5 ? argv[4] : "";
    }
    if ((r.load != "phold" && r.load != "ticks") || r.processes < 2 || r.virtual_ns == 0) {
        std::fprintf(stderr, "usage: %s phold|ticks PROCESSES VIRTUAL_MS [VARIANT]\n", argv[0]);
        std::exit(2);
    }
    return r;
}

/// Processor time of the program since its construction. All loads run on one thread, so on a quiet machine that is the
/// wall time, and on a busy one what the wall time would be.
class Stopwatch {
public:
    double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

private:
    std::clock_t start_ = std::clock();
};

/// Prints one line of JSON for a run that took `cpu_seconds`.
template <class Processes>
void print_result(const char* engine, const char* variant, const Request& r, const Processes& processes,
                  double cpu_seconds) {
    std::uint64_t events = 0;
    std::uint64_t checksum = 0;
    for (const Process& p : processes) {
        events += p.events;
        checksum += p.checksum;
    }
    const double virtual_seconds = static_cast<double>(r.virtual_ns) * 1e-9;
    std::printf(
        "{\"engine\":\"%s\",\"variant\":\"%s\",\"load\":\"%s\",\"processes\":%u,\"events\":%llu,\"checksum\":\"%"
        "016llx\","
        "\"virtual_seconds\":%.3f,\"cpu_seconds\":%.4f,\"events_per_second\":%.0f,\"virtual_per_second\":%.3f}\n",
        engine, variant, r.load.c_str(), r.processes, static_cast<unsigned long long>(events),
        static_cast<unsigned long long>(checksum), virtual_seconds, cpu_seconds,
        static_cast<double>(events) / cpu_seconds, virtual_seconds / cpu_seconds);
}

}  // namespace ticklab::bench
