// What a run's records say of CPU time: a ledger of its own beside the model's.
#pragma once

#include "cputime/cputime_fixture.hpp"

namespace ticklab::cputime::testing {

/// User and system time of the threads of one process, and how long they had a CPU.
struct Used {
    CpuTime utime{}, stime{}, on_cpu{};
    std::size_t stretches = 0;
    CpuTime prof() const { return utime + stime; }
};

/// Of process `number`, from boot to `until`.
inline Used used_by(const Bench& bench, std::uint32_t number, Time until) {
    std::vector<std::uint64_t> threads;
    for (const Bench::LoggedRecord& r : bench.records(kTaskNewRecord))
        if (r.operands[1] == number)
            threads.push_back(r.operands[0]);
    const auto ours = [&](const Bench::LoggedRecord& r) {
        return r.at <= until && std::find(threads.begin(), threads.end(), r.operands[0]) != threads.end();
    };
    Used used;
    for (const Bench::LoggedRecord& r : bench.records(kTickRecord))
        if (ours(r))
            (r.operands[1] != 0 ? used.utime : used.stime) += 1ms;
    std::int64_t ps = 0;
    for (const Bench::LoggedRecord& r : bench.records(kTaskRunRecord))
        if (ours(r)) {
            ps += (until - r.at).count();
            ++used.stretches;
        }
    for (const Bench::LoggedRecord& r : bench.records(kTaskStopRecord))
        if (ours(r))
            ps -= (until - r.at).count();
    used.on_cpu = CpuTime{ps / 1000};
    return used;
}

}  // namespace ticklab::cputime::testing
