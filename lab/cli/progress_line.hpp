// A line on the terminal that says how far the work is, written over again and again.
//
// Rules
//  - Where stderr is no terminal nothing is written.
//  - Whoever prints anything else clears it before.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ticklab::lab {

class ProgressLine {
public:
    /// At most one line in `every`.
    explicit ProgressLine(std::chrono::milliseconds every);
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// Whether a line would be shown now.
    bool due() const;
    void show(const std::string& text);
    void clear();

private:
    using Clock = std::chrono::steady_clock;

    std::chrono::milliseconds every_;
    bool terminal_;
    bool shown_ = false;
    Clock::time_point shown_at_;
};

/// The same for a number of runs.
class RunsProgress {
public:
    /// `before`: runs that were done before this began.
    explicit RunsProgress(std::uint64_t before = 0);
    void show(std::uint64_t done, std::uint64_t of, std::uint64_t failures);
    void clear() { line_.clear(); }

private:
    ProgressLine line_;
    std::uint64_t before_;
    std::chrono::steady_clock::time_point began_;
};

}  // namespace ticklab::lab
