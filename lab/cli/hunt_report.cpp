#include "ticklab/lab/cli/hunt_report.hpp"

#include <fmt/format.h>

#include "ticklab/lab/report.hpp"

namespace ticklab::lab {

std::string failure_text(const HuntJson& f) {
    const std::string cpu = f["cpu"].is_null() ? std::string() : fmt::format(" on CPU {}", f["cpu"].get<sim::CpuId>());
    std::string text =
        fmt::format("seed {}: {}\n  {}\n  at {}{}, after {} records\n  replay: {}\n", f["seed"].get<std::uint64_t>(),
                    f["check"].get<std::string>(), f["message"].get<std::string>(),
                    show(sim::kBoot + std::chrono::nanoseconds(f["at_ns"].get<std::int64_t>())), cpu,
                    f["record_number"].get<std::uint64_t>(), f["replay"].get<std::string>());
    if (f.contains("bundle"))
        text += fmt::format("  bundle: ticklab replay {}\n", shell_quoted(f["bundle"].get<std::string>()));
    return text;
}

std::string summary_text(const HuntJson& d) {
    const auto runs = d["runs"].get<std::uint64_t>();
    const auto seconds = d["wall_seconds"].get<double>();
    std::string more;
    if (d.contains("swarm"))
        more = "; varied: " + d["swarm"].get<std::string>();
    if (d.contains("promising"))
        more = fmt::format("; {} of {} promising stalls tried", d["promising"]["tried"].get<std::uint64_t>(),
                           d["promising"]["total"].get<std::uint64_t>());
    return fmt::format(
        "{} of {}{} runs: {} failed, {} inconclusive; ended by {}; {} records, {:.1f} s, {:.0f} runs/s{}\n", runs,
        d["total_exact"].get<bool>() ? "" : "about ", d["total"].get<std::uint64_t>(), d["failed"].get<std::uint64_t>(),
        d["inconclusive"].get<std::uint64_t>(), d["end"].get<std::string>(), d["records"].get<std::uint64_t>(), seconds,
        static_cast<double>(runs) / seconds, more);
}

ExitCode exit_code_of(const HuntResult& result) {
    if (result.failures != 0)
        return ExitCode::kFailed;
    if (result.end == HuntEnd::kInterrupted)
        return ExitCode::kInterrupted;
    return result.end == HuntEnd::kBudget || result.inconclusive != 0 ? ExitCode::kInconclusive : ExitCode::kFine;
}

}  // namespace ticklab::lab
