; The installer of Windows, made of the folder that PyInstaller froze: makensis /DVERSION=0.1.0 packaging\windows\installer.nsi
; Prepared, and compiled as a check of its syntax on every machine; it has not been run on Windows yet.

Unicode true
ManifestDPIAware true
SetCompressor /SOLID lzma

!include "MUI2.nsh"
!include "FileFunc.nsh"

!ifndef VERSION
  !error "say which version: makensis /DVERSION=..."
!endif
!ifndef SOURCE
  !define SOURCE "..\..\build\frozen\mlops-desk"
!endif
!ifndef TARGET
  !define TARGET "..\..\dist\mlops-desk-${VERSION}-windows-x64.exe"
!endif
!ifndef ICON
  !define ICON "..\..\build\icons\mlops-desk.ico"
!endif

!define NAME "MLOps Desk"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\mlops-desk"
!define CLASS "mlops-desk.parquet"

Name "${NAME}"
OutFile "${TARGET}"
; Into the user's own folder: no administrator is needed, and nobody else is changed.
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\mlops-desk"
InstallDirRegKey HKCU "${KEY}" "InstallLocation"

VIProductVersion "${VERSION}.0"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${NAME}"
VIAddVersionKey "LegalCopyright" "Apache License 2.0"

; To sign, name the command: makensis "/DSIGN=signtool sign /fd sha256 ..."
!ifdef SIGN
  !finalize '${SIGN} "%1"' = 0
  !uninstfinalize '${SIGN} "%1"' = 0
!endif

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_ABORTWARNING
!define MUI_LANGDLL_REGISTRY_ROOT "HKCU"
!define MUI_LANGDLL_REGISTRY_KEY "${KEY}"
!define MUI_LANGDLL_REGISTRY_VALUENAME "Language"
!define MUI_FINISHPAGE_RUN "$INSTDIR\mlops-desk-gui.exe"

!insertmacro MUI_PAGE_LICENSE "..\..\LICENSE"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "SimpChinese"
!insertmacro MUI_RESERVEFILE_LANGDLL

LangString PROGRAM ${LANG_ENGLISH} "Program"
LangString PROGRAM ${LANG_SIMPCHINESE} "程序"
LangString MENU ${LANG_ENGLISH} "Start menu"
LangString MENU ${LANG_SIMPCHINESE} "“开始”菜单"
LangString COMMANDS ${LANG_ENGLISH} "Command line (adds the folder to your PATH)"
LangString COMMANDS ${LANG_SIMPCHINESE} "命令行(将文件夹加入您的 PATH)"
LangString FILES ${LANG_ENGLISH} "Open Parquet files with ${NAME}"
LangString FILES ${LANG_SIMPCHINESE} "用 ${NAME} 打开 Parquet 文件"
LangString RUNNING ${LANG_ENGLISH} "${NAME} is running. Close it, and try again."
LangString RUNNING ${LANG_SIMPCHINESE} "${NAME} 正在运行。请先关闭,然后重试。"
LangString ABOUT_PROGRAM ${LANG_ENGLISH} "The window and the command line, with everything that they need."
LangString ABOUT_PROGRAM ${LANG_SIMPCHINESE} "窗口程序和命令行,以及所需的全部文件。"
LangString KEPT ${LANG_ENGLISH} "Workspaces and settings are kept."
LangString KEPT ${LANG_SIMPCHINESE} "工作区和设置将保留。"

Function .onInit
  !insertmacro MUI_LANGDLL_DISPLAY
FunctionEnd

Function un.onInit
  !insertmacro MUI_UNGETLANGUAGE
FunctionEnd

; What an older version left is removed first, so that no file of it is loaded with the new one; workspaces lie elsewhere.
!macro REMOVE_PROGRAM
  retry:
  ClearErrors
  IfFileExists "$INSTDIR\mlops-desk-gui.exe" 0 gone
  Delete "$INSTDIR\mlops-desk-gui.exe"
  IfErrors 0 gone
    MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$(RUNNING)" /SD IDCANCEL IDRETRY retry
    Abort
  gone:
  Delete "$INSTDIR\mlops-desk.exe"
  Delete "$INSTDIR\mlops-desk-python.exe"
  Delete "$INSTDIR\LICENSE"
  Delete "$INSTDIR\NOTICE"
  Delete "$INSTDIR\THIRD-PARTY-LICENCES.txt"
  RMDir /r "$INSTDIR\_internal"
!macroend

Section "$(PROGRAM)" SecProgram
  SectionIn RO
  !insertmacro REMOVE_PROGRAM
  SetOutPath "$INSTDIR"
  File /r "${SOURCE}\*.*"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "${KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${KEY}" "DisplayIcon" "$INSTDIR\mlops-desk-gui.exe"
  WriteRegStr HKCU "${KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${KEY}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  IntFmt $0 "0x%08X" $0
  WriteRegDWORD HKCU "${KEY}" "EstimatedSize" "$0"
SectionEnd

Section "$(MENU)" SecMenu
  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\mlops-desk-gui.exe"
SectionEnd

Section /o "$(COMMANDS)" SecCommands
  ; Windows keeps PATH with variables in it unexpanded; PowerShell writes it so, and setx would cut it at 1,024 characters.
  nsExec::ExecToLog `powershell -NoProfile -Command "$$k = 'HKCU:\Environment'; $$p = (Get-Item $$k).GetValue('Path', '', 'DoNotExpandEnvironmentNames'); if (($$p -split ';') -notcontains '$INSTDIR') { Set-ItemProperty $$k Path (($$p.TrimEnd(';'), '$INSTDIR' -ne '') -join ';') -Type ExpandString }"`
  Pop $0
  SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=5000
SectionEnd

Section "$(FILES)" SecFiles
  WriteRegStr HKCU "Software\Classes\${CLASS}" "" "Parquet"
  WriteRegStr HKCU "Software\Classes\${CLASS}\shell\open\command" "" '"$INSTDIR\mlops-desk-gui.exe" "%1"'
  WriteRegStr HKCU "Software\Classes\.parquet\OpenWithProgids" "${CLASS}" ""
  System::Call 'shell32::SHChangeNotify(i 0x08000000, i 0, p 0, p 0)'
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${SecProgram} "$(ABOUT_PROGRAM)"
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Section "Uninstall"
  !insertmacro REMOVE_PROGRAM
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\${NAME}.lnk"
  nsExec::ExecToLog `powershell -NoProfile -Command "$$k = 'HKCU:\Environment'; $$p = (Get-Item $$k).GetValue('Path', '', 'DoNotExpandEnvironmentNames'); Set-ItemProperty $$k Path (($$p -split ';' | Where-Object { $$_ -ne '$INSTDIR' }) -join ';') -Type ExpandString"`
  Pop $0
  DeleteRegValue HKCU "Software\Classes\.parquet\OpenWithProgids" "${CLASS}"
  DeleteRegKey HKCU "Software\Classes\${CLASS}"
  DeleteRegKey HKCU "${KEY}"
  System::Call 'shell32::SHChangeNotify(i 0x08000000, i 0, p 0, p 0)'
  DetailPrint "$(KEPT)"
SectionEnd
