// Exit codes, each a class of outcome (DESIGN 6).
#pragma once

#include <array>
#include <string_view>

namespace ticklab::lab {

enum class ExitCode : int {
    kFine = 0,
    kFailed = 1,    ///< a check or an expectation
    kBadInput = 2,  ///< or bad usage
    kInternalError = 3,
    kNondeterminism = 4,
    kInconclusive = 5,   ///< a bound or a budget was hit
    kInterrupted = 130,  ///< what was done so far is kept
};

/// What each means to who reads the manual.
struct ExitCodeText {
    ExitCode code;
    std::string_view meaning;
};
inline constexpr std::array<ExitCodeText, 7> kExitCodeTexts{{{ExitCode::kFine, "fine"},
                                                             {ExitCode::kFailed, "a check or expectation failed"},
                                                             {ExitCode::kBadInput, "bad usage or input"},
                                                             {ExitCode::kInternalError, "internal error"},
                                                             {ExitCode::kNondeterminism, "nondeterminism"},
                                                             {ExitCode::kInconclusive, "inconclusive"},
                                                             {ExitCode::kInterrupted, "interrupted"}}};

/// The one that stands for both (MA 14.2).
constexpr ExitCode graver(ExitCode a, ExitCode b) {
    constexpr std::array kGravestFirst{ExitCode::kInternalError, ExitCode::kNondeterminism, ExitCode::kBadInput,
                                       ExitCode::kFailed,        ExitCode::kInterrupted,    ExitCode::kInconclusive};
    for (const ExitCode code : kGravestFirst)
        if (a == code || b == code)
            return code;
    return ExitCode::kFine;
}

}  // namespace ticklab::lab
