// Answers "why was this timer late" and "why did this CPU wake" by running the scenario again and watching.
//
// Rules
//  (1) Runs are deterministic, so a record's identity is the same in each. The first run finds the moment asked about,
//      and its log has what happened before; where a chain of causes goes back further than the log, another run, which
//      ends at the missing record, goes on from there. Memory is bounded whatever the length of the run.
//  (2) A chain ends where nothing caused it (a step of the script, a load event), or in the callback of a timer: what
//      led to that is a question of its own.
//  (3) The wake-up of a CPU at T is the one that ended its sleep if it slept at T, else the last one before T.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/why/tell.hpp"

namespace ticklab::lab {

/// A record of a chain, in words.
struct ToldEvent {
    sim::Time at;
    sim::RecordId id;
    std::string kind;   ///< "xen:timer_set"
    std::string place;  ///< "CPU 1"
    std::string what;
    std::optional<std::size_t> because;  ///< index of the event that caused it
    std::optional<std::size_t> behind;   ///< index of the event that it waited for
};

struct ToldPiece {
    sim::Time from;
    sim::Time to;
    LatenessPart part;
    sim::CpuId cpu;
    std::string doing;
};

struct TimerWhy {
    std::string timer;
    std::uint64_t nth = 1;
    Firing firing;
    std::vector<ToldPart> parts;
    std::vector<ToldPiece> pieces;
    std::vector<ToldEvent> chain;  ///< ascending
};

struct WakeWhy {
    sim::CpuId cpu = 0;
    sim::Time slept_at;
    sim::Time awake_at;  ///< exit latency paid
    std::string c_state;
    std::string reason;
    std::vector<ToldEvent> chain;
};

/// What was asked for, or why there is no answer, in one sentence.
template <class T>
struct Answer {
    std::optional<T> value;
    std::string problem;
};

/// The nth callback of the timer, counted from 1; without `nth` the one that was latest.
Answer<TimerWhy> why_timer(const Scenario& scenario, const ExperimentOptions& options, const std::string& timer,
                           std::optional<std::uint64_t> nth);
Answer<WakeWhy> why_awake(const Scenario& scenario, const ExperimentOptions& options, sim::CpuId cpu, sim::Time at);

std::string text_of(const TimerWhy& why);
std::string text_of(const WakeWhy& why);
nlohmann::ordered_json json_of(const TimerWhy& why);
nlohmann::ordered_json json_of(const WakeWhy& why);

}  // namespace ticklab::lab
