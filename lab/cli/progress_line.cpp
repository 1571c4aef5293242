#include "ticklab/lab/cli/progress_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ticklab::lab {

ProgressLine::ProgressLine(std::chrono::milliseconds every)
    : every_(every), terminal_(::isatty(STDERR_FILENO) == 1), shown_at_(Clock::now()) {}

bool ProgressLine::due() const { return terminal_ && Clock::now() - shown_at_ >= every_; }

void ProgressLine::show(const std::string& text) {
    if (!due())
        return;
    shown_at_ = Clock::now();
    shown_ = true;
    fmt::print(stderr, "\r{} \x1b[K", text);
    std::fflush(stderr);
}

void ProgressLine::clear() {
    if (shown_)
        fmt::print(stderr, "\r\x1b[K");
    shown_ = false;
}

RunsProgress::RunsProgress(std::uint64_t before)
    : line_(std::chrono::milliseconds{200}), before_(before), began_(std::chrono::steady_clock::now()) {}

void RunsProgress::show(std::uint64_t done, std::uint64_t of, std::uint64_t failures) {
    if (!line_.due())
        return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    const double rate = static_cast<double>(done - before_) / seconds;
    line_.show(fmt::format("{} of {} runs, {:.0f} runs/s, {} failures, {:.0f} s to go", done, of, rate, failures,
                           static_cast<double>(of - std::min(of, done)) / rate));
}

}  // namespace ticklab::lab
