/**
 * What each shell is to evaluate. The words come from the hidden command `klee __complete`, one per line with a tab and
 * a description; where it has none, the shell completes file names.
 */
export const scripts = {
  bash: `_klee() {
  local line words cword
  # "name:tag" is one word for klee, whatever COMP_WORDBREAKS says.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n := -w words -i cword
  else
    words=("\${COMP_WORDS[@]}")
    cword=$COMP_CWORD
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${words[0]}" __complete -- "\${words[@]:1:cword}" 2>/dev/null)
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "\${words[cword]}"
  fi
}
complete -o default -F _klee klee
`,
  zsh: `#compdef klee
_klee() {
  local line
  local -a found
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#found} )); then
    _describe klee found
  else
    _files
  fi
}
if [[ $funcstack[1] = _klee ]]; then
  _klee "$@"
else
  compdef _klee klee
fi
`,
  fish: `function __klee_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c klee -f -a '(__klee_complete)'
`,
} as const;

export type Shell = keyof typeof scripts;
